import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { libcFunction, SystemCallError } from "./libc.js";

const pipeCall = libcFunction("int pipe2(_Out_ int *ends, int flags)");
const ioctlAvailable = libcFunction("int ioctl(int fd, unsigned long request, _Out_ int *value)");

const O_CLOEXEC = 0o2000000;
const FIONREAD = 0x541b;

/** A pipe of the kernel. Node.js gives a child sockets, on which `/dev/stdout` cannot be opened by name; with a pipe it can. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

export function makePipe(): Pipe {
  const ends = [0, 0];
  if (pipeCall(ends, O_CLOEXEC) !== 0) throw new SystemCallError("pipe2", "exec");
  const [read = -1, write = -1] = ends;
  return { read, write };
}

/** Closes both ends; for a pipe that was never handed on. */
export function closePipe({ read, write }: Pipe): void {
  closeSync(read);
  closeSync(write);
}

/** The stream over one end of a pipe; it owns the file from now on. */
export function pipeStream(fd: number, direction: "read" | "write"): Socket {
  return new Socket({ fd, readable: direction === "read", writable: direction === "write" });
}

/** Bytes that a read would return at once. */
export function bytesAvailable(fd: number): number {
  const value = [0];
  if (ioctlAvailable(fd, FIONREAD, value) !== 0) throw new SystemCallError("ioctl", "FIONREAD");
  return value[0] ?? 0;
}
