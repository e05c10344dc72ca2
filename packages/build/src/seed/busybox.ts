import { execFileSync } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import type { SeedImage } from "./image-archive.js";
import type { LayerEntry } from "./layer-tar.js";

export const PATH_IN_IMAGE = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** `docker.io/library/busybox` from Debian's busybox-static. Errors: `UNAVAILABLE` when there is no static busybox. */
export function busyboxSeed(path: string): SeedImage {
  const busybox = findStaticBusybox(path);
  return {
    entries: [
      ...busyboxEntries(busybox),
      ...baseEntries({ users: "", groups: "" }),
      { path: "var/spool/mail", directory: true },
      { path: "var/www", directory: true },
    ],
    config: { Env: [PATH_IN_IMAGE], Cmd: ["sh"] },
    from: busybox,
  };
}

/** The binary, and a link in `/bin` for each of its applets. */
export function busyboxEntries(busybox: string): LayerEntry[] {
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
  const links = applets.filter((name) => name !== "" && name !== "busybox").map((name) => ({ path: `bin/${name}`, symlink: "busybox" }));
  return [
    { path: "bin/busybox", copyOf: busybox, mode: 0o755 },
    ...links,
    // Scripts start with "#!/usr/bin/env".
    { path: "usr/bin/env", symlink: "../../bin/env" },
  ];
}

/** What every root file system has. `users` and `groups` are more lines for `/etc/passwd` and `/etc/group`. */
export function baseEntries({ users, groups }: { users: string; groups: string }): LayerEntry[] {
  const directories = ["dev", "etc", "home", "proc", "run", "sys", "usr/sbin", "var"];
  return [
    ...directories.map((path) => ({ path, directory: true as const })),
    { path: "root", directory: true, mode: 0o700 },
    { path: "tmp", directory: true, mode: 0o1777 },
    { path: "var/tmp", directory: true, mode: 0o1777 },
    { path: "etc/passwd", content: `root:x:0:0:root:/root:/bin/sh\n${users}nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n` },
    { path: "etc/group", content: `root:x:0:\n${groups}nogroup:x:65534:\n` },
    { path: "etc/nsswitch.conf", content: "passwd: files\ngroup: files\nhosts: files dns\n" },
  ];
}

/**
 * The first busybox on the path that is linked statically: another one would need libraries that the image lacks.
 * Errors: `UNAVAILABLE`.
 */
export function findStaticBusybox(path: string): string {
  for (const directory of path.split(delimiter)) {
    const candidate = join(directory, "busybox");
    try {
      accessSync(candidate, constants.X_OK);
    } catch {
      continue;
    }
    if (isStatic(candidate)) return realpathSync(candidate);
  }
  throw new LongshoreError("UNAVAILABLE", `There is no statically linked busybox on the path (${path}).`, {
    hint: "Install it: apt-get install busybox-static.",
  });
}

/** Reads the ELF program headers: a static program names no interpreter. */
function isStatic(file: string): boolean {
  const header = readStart(file, 4096);
  if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46) return false;
  const offset = Number(header.readBigUInt64LE(32));
  const size = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  const PT_INTERP = 3;
  for (let index = 0; index < count; index++) {
    const at = offset + index * size;
    if (at + 4 > header.length) return false;
    if (header.readUInt32LE(at) === PT_INTERP) return false;
  }
  return true;
}

function readStart(file: string, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  const descriptor = openSync(file, "r");
  try {
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, 0));
  } finally {
    closeSync(descriptor);
  }
}
