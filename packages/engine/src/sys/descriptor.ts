import type { Socket } from "node:net";
import { libcFunction, SystemCallError } from "./libc.js";

const fcntlCall = libcFunction("int fcntl(int fd, int command, int argument)");

const F_DUPFD_CLOEXEC = 1030;

/** The descriptor below a socket, which stays the socket's; `undefined` when the connection is closed. Node.js has no public way to it. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/** Another descriptor for the same file, the caller's to close. */
export function duplicate(fd: number): number {
  const copy = fcntlCall(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new SystemCallError("fcntl", "F_DUPFD_CLOEXEC");
  return copy;
}
