import koffi from "koffi";

/**
 * The few system calls that Node.js does not offer. Each wrapper throws {@link SystemCallError} with the call's name and errno.
 * Calls are synchronous: `setns` windows must never span an await (see network/namespace.ts).
 */
const libc = koffi.load("libc.so.6");

/** Another function of the C library, by its C prototype. */
export function libcFunction(prototype: string): (...args: unknown[]) => number {
  return libc.func(prototype);
}

const mountCall = libc.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)");
const umountCall = libc.func("int umount2(const char *target, int flags)");
const mkfifoCall = libc.func("int mkfifo(const char *path, unsigned int mode)");
const mknodCall = libc.func("int mknod(const char *path, unsigned int mode, unsigned long device)");
const setxattrCall = libc.func("int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)");
const setnsCall = libc.func("int setns(int fd, int kind)");
const unshareCall = libc.func("int unshare(int flags)");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const connectCall = libc.func("int connect(int fd, const void *address, unsigned int length)");
const getsockoptCall = libc.func("int getsockopt(int fd, int level, int name, _Out_ int *value, _Inout_ unsigned int *length)");
const setsockoptCall = libc.func("int setsockopt(int fd, int level, int name, const int *value, unsigned int length)");
const closeCall = libc.func("int close(int fd)");

export const MNT_DETACH = 2;
export const CLONE_NEWNET = 0x40000000;
export const AF_INET = 2;
export const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_CORK = 3;
const S_IFCHR = 0o020000;

/** A system call's failure; `errno` is the number, for example `koffi.os.errno.ECONNREFUSED`. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly errno: number;

  constructor(call: string, subject: string, errno = koffi.errno()) {
    super(`${call}(${subject}) failed: ${nameOfErrno(errno)}`);
    this.errno = errno;
  }
}

export const ERRNO = koffi.os.errno as Readonly<Record<string, number>>;

function nameOfErrno(errno: number): string {
  return Object.entries(ERRNO).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

export function mountOverlay(target: string, options: string): void {
  if (mountCall("overlay", target, "overlay", 0, options) !== 0) throw new SystemCallError("mount", target);
}

/** Detaches a mount; one that is not there is fine. */
export function unmount(target: string): void {
  if (umountCall(target, MNT_DETACH) === 0) return;
  const errno = koffi.errno();
  if (errno !== ERRNO.EINVAL && errno !== ERRNO.ENOENT) throw new SystemCallError("umount2", target, errno);
}

export function makeFifo(path: string, mode: number): void {
  if (mkfifoCall(path, mode) !== 0) throw new SystemCallError("mkfifo", path);
}

/** The overlay file system's mark for "this name is deleted here": a character device 0:0. */
export function makeWhiteout(path: string): void {
  if (mknodCall(path, S_IFCHR, 0) !== 0) throw new SystemCallError("mknod", path);
}

/** The overlay file system's mark for "nothing below shows through this directory". */
export function markOpaque(directory: string): void {
  const value = Buffer.from("y");
  if (setxattrCall(directory, "trusted.overlay.opaque", value, value.length, 0) !== 0) throw new SystemCallError("lsetxattr", directory);
}

export function setNamespace(fd: number, kind: number): void {
  if (setnsCall(fd, kind) !== 0) throw new SystemCallError("setns", String(fd));
}

/** Moves the calling thread into a network namespace of its own. */
export function newNetworkNamespace(): void {
  if (unshareCall(CLONE_NEWNET) !== 0) throw new SystemCallError("unshare", "CLONE_NEWNET");
}

/** A non-blocking TCP socket in the calling thread's network namespace. */
export function tcpSocket(family: number): number {
  const fd: number = socketCall(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemCallError("socket", String(family));
  setsockoptCall(fd, IPPROTO_TCP, TCP_NODELAY, [1], 4);
  return fd;
}

/** Starts a connect; returns 0 when connected, else the errno (`EINPROGRESS` included). */
export function startConnect(fd: number, address: Buffer): number {
  return connectCall(fd, address, address.length) === 0 ? 0 : koffi.errno();
}

/** What is written from now on is kept until the writing side is shut, and then sent together with the end. */
export function holdUntilEnd(fd: number): void {
  setsockoptCall(fd, IPPROTO_TCP, TCP_CORK, [1], 4);
}

/** A socket's pending error, cleared by asking; 0 when there is none. */
export function socketError(fd: number): number {
  const value = [0];
  const length = [4];
  if (getsockoptCall(fd, SOL_SOCKET, SO_ERROR, value, length) !== 0) throw new SystemCallError("getsockopt", String(fd));
  return value[0] ?? 0;
}

export function closeFd(fd: number): void {
  closeCall(fd);
}
