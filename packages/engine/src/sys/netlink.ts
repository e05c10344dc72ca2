import { promisify } from "node:util";
import koffi from "koffi";
import { closeFd, SystemCallError } from "./libc.js";

/**
 * Links, addresses, routes, neighbours and rules, told to the kernel directly (rtnetlink(7)): a network that is made for each sandbox costs a
 * millisecond this way, against twelve with two spawned `ip` commands.
 */
const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const sendCall = libc.func("long send(int fd, const void *data, size_t length, int flags)");
const recvCall = libc.func("long recv(int fd, _Out_ void *data, size_t length, int flags)");
const send = promisify(sendCall.async) as (fd: number, data: Buffer, length: number, flags: number) => Promise<number>;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
export const NLM_F_CREATE = 0x400;
export const NLM_F_EXCL = 0x200;
export const NLM_F_REPLACE = 0x100;

/** What the kernel is asked for, before it is numbered and sent. */
export interface NetlinkMessage {
  readonly type: number;
  /** Beside "request" and "acknowledge", which every message has. */
  readonly flags: number;
  /** The fixed header of the type, then attributes. */
  readonly body: Buffer;
}

/** A connection to the kernel's network configuration. It stays with the network namespace that it was opened in, wherever it is used. */
export class Netlink implements Disposable {
  readonly #fd: number;
  #sequence = 0;
  #last: Promise<void> = Promise.resolve();

  /** Opens it in the calling thread's network namespace. */
  constructor() {
    this.#fd = socketCall(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (this.#fd < 0) throw new SystemCallError("socket", "netlink");
  }

  [Symbol.dispose](): void {
    closeFd(this.#fd);
  }

  /**
   * Has all messages carried out, in order and off the main thread (the kernel may be busy with another namespace's end).
   * Throws {@link SystemCallError} with the first one's errno that failed; the others are carried out all the same.
   */
  async apply(messages: readonly NetlinkMessage[]): Promise<void> {
    const previous = this.#last;
    const work = (async () => {
      await previous;
      await this.#exchange(messages);
    })();
    this.#last = work.catch(() => undefined);
    await work;
  }

  async #exchange(messages: readonly NetlinkMessage[]): Promise<void> {
    const first = this.#sequence + 1;
    const data = Buffer.concat(messages.map((message) => encode(message, ++this.#sequence)));
    if ((await send(this.#fd, data, data.length, 0)) < 0) throw new SystemCallError("send", "netlink");
    // The kernel has done everything when send returns: the acknowledgements are there.
    let failure: SystemCallError | undefined;
    const answer = Buffer.alloc(8192);
    for (let seen = 0; seen < messages.length; ) {
      const length = Number(recvCall(this.#fd, answer, answer.length, MSG_DONTWAIT));
      if (length < 0) throw new SystemCallError("recv", "netlink");
      for (let at = 0; at + 20 <= length; at += align(answer.readUInt32LE(at))) {
        if (answer.readUInt16LE(at + 4) !== NLMSG_ERROR || answer.readUInt32LE(at + 8) < first) continue;
        seen++;
        const errno = -answer.readInt32LE(at + 16);
        const number = answer.readUInt32LE(at + 8) - first;
        if (errno !== 0) failure ??= new SystemCallError("netlink", `message ${number}, type ${messages[number]?.type}`, errno);
      }
    }
    if (failure !== undefined) throw failure;
  }
}

/** One attribute: its number and its value; nested ones are the concatenation of attributes. */
export function attribute(type: number, value: Buffer | number | string): Buffer {
  const content = typeof value === "number" ? u32(value) : typeof value === "string" ? Buffer.from(`${value}\0`) : value;
  const result = Buffer.alloc(align(4 + content.length));
  result.writeUInt16LE(4 + content.length, 0);
  result.writeUInt16LE(type, 2);
  content.copy(result, 4);
  return result;
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function encode({ type, flags, body }: NetlinkMessage, sequence: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body, Buffer.alloc(align(body.length) - body.length)]);
}

function align(length: number): number {
  return (length + 3) & ~3;
}
