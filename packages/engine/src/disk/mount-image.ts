import { closeSync, readSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { callInBackground } from "../sys/background-call.js";
import { libcFunction, SystemCallError } from "../sys/libc.js";
import { mapMountedIds } from "../sys/user-namespace.js";
import { attachLoop } from "./loop.js";

/** Numbers of the mount calls on x86-64 and arm64 alike, which the C library may be too old to have. */
const SYS_MOVE_MOUNT = 429;
const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const CLOEXEC = 1;
const SET_FLAG = 0;
const SET_STRING = 1;
const CREATE = 6;
const MOVE_FROM_FD = 4;
const AT_FDCWD = -100;

const openCall = libcFunction("long syscall(long number, const char *type, unsigned int flags)");
const configCall = libcFunction("long syscall(long number, int fd, unsigned int command, const char *key, const char *value, int extra)");
const mountCall = libcFunction("long syscall(long number, int fd, unsigned int flags, unsigned int attributes)");
const moveCall = libcFunction("long syscall(long number, int from, const char *fromPath, int to, const char *toPath, unsigned int flags)");

/**
 * The disk lives no longer than the machine's uptime, so its journal and its barriers would buy nothing. What is deleted inside is given back to
 * the host at once. The first error makes it read-only: that is what a container sees when the host's own disk is full.
 */
const WRITABLE = ["noinit_itable", "discard", "nobarrier", "errors=remount-ro"];
const READ_ONLY = ["ro", "noinit_itable"];

export interface MountOptions {
  readonly readOnly?: boolean;
  /** Whose ids its files show (sys/user-namespace.ts); absent: those that are on the disk. */
  readonly mapping?: number | undefined;
}

/**
 * Mounts an ext4 image. Making the device and reading the file system happen on another thread; only the last step, which needs the engine's own
 * mounts, is the caller's. Errors: `UNAVAILABLE` (no loop device), `INTERNAL` with the kernel's words.
 */
export async function mountImage(file: string, target: string, { readOnly = false, mapping }: MountOptions = {}): Promise<void> {
  using device = await attachLoop(file, readOnly);
  const context: number = openCall(SYS_FSOPEN, "ext4", CLOEXEC);
  if (context < 0) throw new SystemCallError("fsopen", "ext4");
  try {
    set(context, SET_STRING, "source", device.path);
    for (const option of readOnly ? READ_ONLY : WRITABLE) {
      const [key = "", value] = option.split("=");
      set(context, value === undefined ? SET_FLAG : SET_STRING, key, value ?? null);
    }
    const { result, errno } = await callInBackground(configCall, SYS_FSCONFIG, context, CREATE, null, null, 0);
    if (result !== 0) throw failure(file, context, new SystemCallError("fsconfig", file, errno));
    attach(context, target, mapping);
  } finally {
    closeSync(context);
  }
}

function set(context: number, command: number, key: string, value: string | null): void {
  if (configCall(SYS_FSCONFIG, context, command, key, value, 0) !== 0) throw failure(key, context, new SystemCallError("fsconfig", key));
}

function attach(context: number, target: string, mapping: number | undefined): void {
  const mounted: number = mountCall(SYS_FSMOUNT, context, CLOEXEC, 0);
  if (mounted < 0) throw new SystemCallError("fsmount", target);
  try {
    if (mapping !== undefined) mapMountedIds(mounted, mapping, target);
    if (moveCall(SYS_MOVE_MOUNT, mounted, "", AT_FDCWD, target, MOVE_FROM_FD) !== 0) throw new SystemCallError("move_mount", target);
  } finally {
    closeSync(mounted);
  }
}

/** The kernel explains itself on the context's file, a line at a time. */
function failure(subject: string, context: number, cause: SystemCallError): LongshoreError {
  const line = Buffer.alloc(1024);
  let reason = cause.message;
  try {
    reason = line.toString("utf8", 0, readSync(context, line)).trim() || reason;
  } catch (error) {
    // ENODATA: there is no explanation.
    reason = error instanceof Error ? cause.message : reason;
  }
  return new LongshoreError("INTERNAL", `The disk image ${subject} cannot be mounted: ${reason}`, { cause });
}
