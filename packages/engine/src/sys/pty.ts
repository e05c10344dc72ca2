import { rmSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import koffi from "koffi";
import { closeFd, libcFunction, SystemCallError } from "./libc.js";
import { Terminal } from "./terminal.js";

const libc = koffi.load("libc.so.6");
const iovec = koffi.struct({ base: "void *", length: "size_t" });
const message = koffi.struct({
  name: "void *",
  nameLength: "uint32_t",
  vectors: koffi.pointer(iovec),
  vectorCount: "size_t",
  control: "void *",
  controlLength: "size_t",
  flags: "int",
});
const recvmsgCall = libc.func("recvmsg", "long", ["int", koffi.inout(koffi.pointer(message)), "int"]);
const pollCall = libc.func("int poll(const void *set, unsigned long count, int milliseconds)");
const socketCall = libcFunction("int socket(int domain, int type, int protocol)");
const bindCall = libcFunction("int bind(int fd, const void *address, unsigned int length)");
const listenCall = libcFunction("int listen(int fd, int backlog)");
const acceptCall = libcFunction("int accept4(int fd, void *address, void *length, int flags)");

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
/** cmsghdr: length (8), level (4), type (4), then the descriptor. */
const CONTROL_BYTES = 24;

/**
 * Where an OCI runtime delivers the outer end of a terminal that it has made (`--console-socket`): a unix socket over which it sends one file
 * descriptor. Node.js cannot receive those.
 */
export class ConsoleSocket implements Disposable {
  readonly path: string;
  readonly #listener: number;

  /** Listens at `path`, which must be short enough for a socket (107 bytes). */
  constructor(path: string) {
    this.path = path;
    const address = Buffer.alloc(110);
    if (Buffer.byteLength(path) > 107) throw new LongshoreError("INTERNAL", `The path of a console socket is too long: ${path}`);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    this.#listener = socketCall(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (this.#listener < 0) throw new SystemCallError("socket", path);
    if (bindCall(this.#listener, address, 2 + Buffer.byteLength(path) + 1) !== 0) throw new SystemCallError("bind", path);
    if (listenCall(this.#listener, 1) !== 0) throw new SystemCallError("listen", path);
  }

  /** The terminal, once the runtime has sent it; `undefined` when none came in time. */
  async receive(deadlineMs: number): Promise<Terminal | undefined> {
    if (!(await readable(this.#listener, deadlineMs))) return undefined;
    const connection = acceptCall(this.#listener, null, null, SOCK_CLOEXEC);
    if (connection < 0) throw new SystemCallError("accept4", this.path);
    try {
      return (await readable(connection, deadlineMs)) ? new Terminal(receiveDescriptor(connection)) : undefined;
    } finally {
      closeFd(connection);
    }
  }

  [Symbol.dispose](): void {
    closeFd(this.#listener);
    rmSync(this.path, { force: true });
  }
}

async function readable(fd: number, deadlineMs: number): Promise<boolean> {
  const set = Buffer.alloc(8);
  set.writeInt32LE(fd, 0);
  set.writeInt16LE(POLLIN, 4);
  return await new Promise((resolve, reject) => {
    pollCall.async(set, 1, deadlineMs, (error: Error | null, ready: number) => (error ? reject(error) : resolve(ready > 0)));
  });
}

function receiveDescriptor(connection: number): number {
  const control = Buffer.alloc(CONTROL_BYTES);
  const header = {
    name: null,
    nameLength: 0,
    vectors: { base: Buffer.alloc(256), length: 256 },
    vectorCount: 1,
    control,
    controlLength: CONTROL_BYTES,
    flags: 0,
  };
  if (recvmsgCall(connection, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) throw new SystemCallError("recvmsg", "console socket");
  if (control.readUInt32LE(0) < 20) throw new LongshoreError("INTERNAL", "The OCI runtime sent no terminal.");
  return control.readInt32LE(16);
}
