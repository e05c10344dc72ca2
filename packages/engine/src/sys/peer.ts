import type { Socket } from "node:net";
import koffi from "koffi";
import { descriptorOf } from "./descriptor.js";
import { SystemCallError } from "./libc.js";

const getsockoptCall = koffi
  .load("libc.so.6")
  .func("int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ unsigned int *length)");
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** `struct ucred`: pid, uid and gid, four bytes each. */
const UCRED_BYTES = 12;

/**
 * The process at the other end of a unix socket: the one that connected, as the kernel remembers it. `undefined` when the connection is closed,
 * or the process cannot be seen from here.
 */
export function peerProcess(socket: Socket): number | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  const value = Buffer.alloc(UCRED_BYTES);
  if (getsockoptCall(fd, SOL_SOCKET, SO_PEERCRED, value, [UCRED_BYTES]) !== 0) throw new SystemCallError("getsockopt", "SO_PEERCRED");
  const pid = value.readInt32LE(0);
  return pid > 0 ? pid : undefined;
}
