import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { libcFunction, SystemCallError } from "./libc.js";

/** Numbers of the mount calls on x86-64 and arm64 alike, which the C library may be too old to have. */
const SYS_OPEN_TREE = 428;
const SYS_MOVE_MOUNT = 429;
const SYS_MOUNT_SETATTR = 442;
const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const MOVE_FROM_FD = 4;
const MOUNT_ATTR_IDMAP = 0x100000;
/** struct mount_attr: set, clear, propagation, namespace; 8 bytes each. */
const ATTRIBUTE_BYTES = 32;

const openTreeCall = libcFunction("long syscall(long number, int directory, const char *path, unsigned int flags)");
const setAttributeCall = libcFunction(
  "long syscall(long number, int mount, const char *path, unsigned int flags, const void *attributes, size_t size)",
);
const moveCall = libcFunction("long syscall(long number, int from, const char *fromPath, int to, const char *toPath, unsigned int flags)");

/**
 * The host's root has no id in a container, yet the overlay file system makes its own directories on the container's disk as root. So this id, which
 * no distribution uses, stands for root on that disk; a container sees it as nobody's.
 */
const ROOT_ON_DISK = 0xffff_fffd;
const HELPER_DEADLINE_MS = 30_000;

/**
 * A user namespace in which `size` ids from 0 are the host's from `base`, kept by an open file: a mount takes its translation of ids from it. Nothing runs
 * in it. Takes a few milliseconds. Errors: `UNAVAILABLE` when the kernel makes none.
 */
export async function idMapping(base: number, size: number): Promise<number> {
  const helper = spawn("unshare", ["--user", "sleep", "60"], { stdio: "ignore", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
  const ended = new Promise<never>((_, reject) => {
    helper.once("error", reject);
    helper.once("exit", (code) => reject(new Error(`unshare ended with ${code ?? "a signal"}`)));
  });
  try {
    return await Promise.race([ended, mappedNamespace(helper.pid ?? 0, base, size)]);
  } catch (cause) {
    throw new LongshoreError("UNAVAILABLE", `This machine makes no user namespaces: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
      hint: "See /proc/sys/user/max_user_namespaces.",
    });
  } finally {
    ended.catch(() => undefined);
    helper.kill("SIGKILL");
  }
}

async function mappedNamespace(pid: number, base: number, size: number): Promise<number> {
  const own = readlinkSync("/proc/self/ns/user");
  for (const deadline = Date.now() + HELPER_DEADLINE_MS; readlinkSync(`/proc/${pid}/ns/user`) === own; ) {
    if (Date.now() > deadline) throw new Error("unshare did not make one in time");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const kind of ["uid", "gid"]) {
    writeFileSync(`/proc/${pid}/${kind}_map`, `0 ${base} ${size}\n${ROOT_ON_DISK} 0 1\n`);
  }
  return openSync(`/proc/${pid}/ns/user`, "r");
}

/** Makes the ids on a mount that is not attached yet appear as `mapping` says. Errors: where the file system or the kernel cannot. */
export function mapMountedIds(mount: number, mapping: number, subject: string): void {
  const attributes = Buffer.alloc(ATTRIBUTE_BYTES);
  attributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_IDMAP), 0);
  attributes.writeBigUInt64LE(BigInt(mapping), 24);
  const result = setAttributeCall(SYS_MOUNT_SETATTR, mount, "", AT_EMPTY_PATH, attributes, ATTRIBUTE_BYTES);
  if (result !== 0) throw new SystemCallError("mount_setattr", subject);
}

/** Shows `source` at `target`, which may be the same, with its ids as `mapping` says. What is mounted below `source` is left out. */
export function bindWithIds(source: string, target: string, mapping: number): void {
  const mount = openTreeCall(SYS_OPEN_TREE, AT_FDCWD, source, OPEN_TREE_CLONE | O_CLOEXEC);
  if (mount < 0) throw new SystemCallError("open_tree", source);
  try {
    mapMountedIds(mount, mapping, source);
    if (moveCall(SYS_MOVE_MOUNT, mount, "", AT_FDCWD, target, MOVE_FROM_FD) !== 0) throw new SystemCallError("move_mount", target);
  } finally {
    closeSync(mount);
  }
}

/** The host's id of a process's root: 0 unless it is in a user namespace of its own. Throws `ENOENT` when the process is gone. */
export function rootIdOf(pid: number): number {
  return rootIdsOf(pid).base;
}

/** The same, and how many ids there are from it on. */
export function rootIdsOf(pid: number): { readonly base: number; readonly size: number } {
  for (const line of readFileSync(`/proc/${pid}/uid_map`, "utf8").split("\n")) {
    const [inside, outside, size] = line.trim().split(/\s+/);
    if (inside === "0") return { base: Number(outside), size: Number(size) };
  }
  return { base: 0, size: 0 };
}
