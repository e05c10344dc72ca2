import { getSystemErrorMap } from "node:util";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const bind = libc.func("int bind(int fd, const void *address, unsigned int length)");
const listen = libc.func("int listen(int fd, int backlog)");
const mkfifo = libc.func("int mkfifo(const char *path, unsigned int mode)");
const closeDescriptor = libc.func("int close(int fd)");

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** `sun_path` with its closing NUL. */
const PATH_BYTES = 108;
/** The kernel cuts it to net.core.somaxconn. */
const BACKLOG = 4096;

/** The longest path, in bytes, that a unix socket can be bound to. */
export const MAX_SOCKET_PATH = PATH_BYTES - 1;

/**
 * A bound, listening unix socket as a bare descriptor. Node's own `listen` would also accept, and so take connections from the process that
 * the descriptor is meant for. Throws a system error (`EADDRINUSE`, `ENOENT`, …).
 */
export function listenUnix(path: string): number {
  const address = Buffer.alloc(2 + PATH_BYTES);
  address.writeUInt16LE(AF_UNIX);
  address.write(path, 2, PATH_BYTES - 1, "utf8");
  const fd = check(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket", path);
  try {
    check(bind(fd, address, address.length), "bind", path);
    check(listen(fd, BACKLOG), "listen", path);
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  return fd;
}

/** Makes a named pipe with mode 0600. Throws a system error. */
export function makeFifo(path: string): void {
  check(mkfifo(path, 0o600), "mkfifo", path);
}

function check(result: number, syscall: string, path: string): number {
  if (result >= 0) return result;
  const errno = -koffi.errno();
  const [code, message] = getSystemErrorMap().get(errno) ?? ["EUNKNOWN", `error ${-errno}`];
  throw Object.assign(new Error(`${code}: ${message}, ${syscall} '${path}'`), { code, errno, syscall, path });
}
