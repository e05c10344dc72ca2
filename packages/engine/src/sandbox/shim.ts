import { spawnSync } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import { copyFile, rename } from "node:fs/promises";
import { LongshoreError } from "@longshore/contract";

/** The shell that is each sandbox's first process. */
export interface Shim {
  /** A statically linked busybox, on the file system of the sandboxes (it is hard-linked). */
  readonly file: string;
  /** True if its shell can run a program under another name than its file's (`exec -a`), as old ones cannot. */
  readonly namesPrograms: boolean;
}

const CANDIDATES = ["/bin/busybox", "/usr/bin/busybox"];

/** Copies the machine's busybox to `file`. Errors: `UNAVAILABLE` when there is none. */
export async function prepareShim(file: string): Promise<Shim> {
  const busybox = CANDIDATES.find((path) => existsSync(path));
  if (busybox === undefined)
    throw new LongshoreError("UNAVAILABLE", "There is no busybox on this machine.", { hint: "Install the package busybox-static." });
  // By rename: sandboxes of an engine before this one may be running the file that is there.
  await copyFile(busybox, `${file}.partial`);
  chmodSync(`${file}.partial`, 0o755);
  await rename(`${file}.partial`, file);
  const { status } = spawnSync(file, ["sh", "-c", 'exec -a true "$0" true', file], { stdio: "ignore" });
  return { file, namesPrograms: status === 0 };
}
