import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrno } from "@longshore/contract";
import koffi from "koffi";
import { libcFunction, SystemCallError } from "./libc.js";

const socketCall = libcFunction("int socket(int domain, int type, int protocol)");
const connectCall = libcFunction("int connect(int fd, const void *address, unsigned int length)");
const shutdownCall = libcFunction("int shutdown(int fd, int how)");
const fcntlCall = libcFunction("int fcntl(int fd, int command, unsigned long argument)");

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SHUT_WR = 1;
const ADDRESS_BYTES = 110;
const O_PATH = 0o10000000;
const O_ASYNC = 0o20000;
const F_SETFL = 4;
const F_SETOWN = 8;
const F_SETSIG = 10;
/** Ignored by who does not listen for it, and used by nobody else here. */
const WAKE = "SIGURG";
/** A peer that does not read is asked again after so long: nothing tells when there is room. */
const RETRY_MS = 5;
const MAX_PACKET_BYTES = 64 * 1024;

/** Those that are told of the signal. One listener for all: the process has many sockets, and complains about many listeners. */
const wakened = new Set<() => void>();
function wakeAll(): void {
  for (const wake of wakened) wake();
}

/**
 * A unix socket that carries packets, which Node.js has no stream for. The kernel tells of packets by a signal, so that nobody has to look.
 * Disposing closes it.
 */
export class PacketSocket implements Disposable {
  #fd: number | undefined;
  #wake: () => void = () => undefined;
  readonly #woken = () => this.#wake();

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Errors: `SystemCallError` when nobody listens at `path`. */
  static connect(path: string): PacketSocket {
    const fd = socketCall(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new SystemCallError("socket", path);
    const socket = new PacketSocket(fd);
    // By an open directory, since an address has at most 107 bytes.
    const directory = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
    try {
      const address = Buffer.alloc(ADDRESS_BYTES);
      address.writeUInt16LE(AF_UNIX, 0);
      address.write(`/proc/self/fd/${directory}/${basename(path)}`, 2);
      if (wakened.size === 0) process.on(WAKE, wakeAll);
      wakened.add(socket.#woken);
      control(fd, F_SETOWN, process.pid);
      control(fd, F_SETSIG, osConstants.signals[WAKE]);
      control(fd, F_SETFL, O_ASYNC | SOCK_NONBLOCK);
      if (connectCall(fd, address, ADDRESS_BYTES) !== 0) throw new SystemCallError("connect", path, koffi.errno());
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    } finally {
      closeSync(directory);
    }
  }

  /** Packets as they come, until the peer closes, or `signal` aborts. A packet is only valid until the next is asked for. */
  async *packets(signal: AbortSignal): AsyncGenerator<Buffer> {
    const buffer = Buffer.alloc(MAX_PACKET_BYTES);
    signal.addEventListener("abort", this.#woken);
    try {
      for (;;) {
        // Before looking: a packet that comes between then resolves it.
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        if (this.#fd === undefined || signal.aborted) return;
        const length = receive(this.#fd, buffer);
        if (length === 0) return;
        if (length === undefined) await woken;
        else yield buffer.subarray(0, length);
      }
    } finally {
      signal.removeEventListener("abort", this.#woken);
    }
  }

  /** Sends one packet; resolves when it is on its way. Returns false when the peer is gone, or `signal` has aborted. */
  async write(packet: Buffer, signal: AbortSignal): Promise<boolean> {
    while (this.#fd !== undefined && !signal.aborted) {
      try {
        writeSync(this.#fd, packet);
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        if (!isErrno(error, "EAGAIN")) throw error;
        await sleep(RETRY_MS);
      }
    }
    return false;
  }

  /** No more packets will be sent. */
  end(): void {
    if (this.#fd !== undefined) shutdownCall(this.#fd, SHUT_WR);
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    wakened.delete(this.#woken);
    if (wakened.size === 0) process.off(WAKE, wakeAll);
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#wake();
  }
}

/** The length of the next packet; 0 at the end, `undefined` when there is none yet. */
function receive(fd: number, into: Buffer): number | undefined {
  try {
    return readSync(fd, into);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return undefined;
    if (isGone(error)) return 0;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return isErrno(error, "EPIPE") || isErrno(error, "ECONNRESET") || isErrno(error, "ENOTCONN");
}

function control(fd: number, command: number, argument: number): void {
  if (fcntlCall(fd, command, argument) !== 0) throw new SystemCallError("fcntl", String(command), koffi.errno());
}
