import koffi from "koffi";
import { AF_INET6, closeFd, SystemCallError } from "./libc.js";

const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, unsigned int length)");
const listenCall = libc.func("int listen(int fd, int backlog)");
const setsockoptCall = libc.func("int setsockopt(int fd, int level, int name, const int *value, unsigned int length)");

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_FLAGS = 0o4000 | 0o2000000; // non-blocking, close on exec
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const SO_REUSEADDR = 2;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_V6ONLY = 26;
const BACKLOG = 4096;

export interface SocketWish {
  readonly family: number;
  readonly kind: "tcp" | "udp";
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  readonly port: number;
  /** Takes what is meant for any address, as a rule of the kernel's packet filter directs it here (tproxy). */
  readonly transparent: boolean;
  /** False for a TCP socket that is to connect from the address instead. */
  readonly listening?: boolean;
}

/** A socket that is bound, and listens if it is a TCP one, in the calling thread's network namespace. Returns its file descriptor. */
export function boundSocket({ family, kind, address, port, transparent, listening = true }: SocketWish): number {
  const fd: number = socketCall(family, (kind === "tcp" ? SOCK_STREAM : SOCK_DGRAM) | SOCK_FLAGS, 0);
  if (fd < 0) throw new SystemCallError("socket", kind);
  try {
    const set = (level: number, name: number) => check(setsockoptCall(fd, level, name, [1], 4), "setsockopt", `${level}/${name}`);
    if (kind === "tcp") set(SOL_SOCKET, SO_REUSEADDR);
    if (family === AF_INET6) set(SOL_IPV6, IPV6_V6ONLY);
    if (transparent && family === AF_INET6) set(SOL_IPV6, IPV6_TRANSPARENT);
    if (transparent && family !== AF_INET6) set(SOL_IP, IP_TRANSPARENT);
    const name = socketAddress(family, address, port);
    check(bindCall(fd, name, name.length), "bind", `port ${port}`);
    if (kind === "tcp" && listening) check(listenCall(fd, BACKLOG), "listen", `port ${port}`);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function socketAddress(family: number, address: Buffer, port: number): Buffer {
  const six = family === AF_INET6;
  const result = Buffer.alloc(six ? 28 : 16);
  result.writeUInt16LE(family, 0);
  result.writeUInt16BE(port, 2);
  address.copy(result, six ? 8 : 4);
  return result;
}

function check(result: number, call: string, subject: string): void {
  if (result !== 0) throw new SystemCallError(call, subject);
}
