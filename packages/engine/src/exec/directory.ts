import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const NAME = /^x[0-9a-f]{12}$/;

/** Makes the directory in which an OCI runtime finds and leaves the files of one exec. It is needed only until the command runs. */
export function makeExecDirectory(sandbox: string, execId: string): string {
  const directory = join(sandbox, `x${execId.slice(0, 12)}`);
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}

/** Removes what an engine that was killed has left of execs in the sandbox of a container that lives on. */
export function removeExecDirectories(sandbox: string): void {
  if (!existsSync(sandbox)) return;
  for (const name of readdirSync(sandbox)) if (NAME.test(name)) rmSync(join(sandbox, name), { recursive: true, force: true });
}
