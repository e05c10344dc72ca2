import { closeSync, constants, openSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrno } from "@longshore/contract";
import koffi from "koffi";
import { libcFunction, SystemCallError } from "./libc.js";

const socketCall = libcFunction("int socket(int domain, int type, int protocol)");
const connectCall = libcFunction("int connect(int fd, const void *address, unsigned int length)");
const shutdownCall = libcFunction("int shutdown(int fd, int how)");

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SHUT_RD = 0;
const SHUT_WR = 1;
const ADDRESS_BYTES = 110;
const O_PATH = 0o10000000;
/** A peer that does not read is asked again after so long: nothing tells when there is room. */
const RETRY_MS = 5;

/** The writing side of a unix socket that carries packets, which Node.js has no stream for. */
export class PacketWriter implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** What the peer sends is never read: it is told so. Errors: `SystemCallError` when nobody listens at `path`. */
  static connect(path: string): PacketWriter {
    const fd = socketCall(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new SystemCallError("socket", path);
    // By an open directory, since an address has at most 107 bytes.
    const directory = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
    try {
      const address = Buffer.alloc(ADDRESS_BYTES);
      address.writeUInt16LE(AF_UNIX, 0);
      address.write(`/proc/self/fd/${directory}/${basename(path)}`, 2);
      if (connectCall(fd, address, ADDRESS_BYTES) !== 0) throw new SystemCallError("connect", path, koffi.errno());
      shutdownCall(fd, SHUT_RD);
    } catch (error) {
      closeSync(fd);
      throw error;
    } finally {
      closeSync(directory);
    }
    return new PacketWriter(fd);
  }

  /** Sends one packet; resolves when it is on its way. Returns false when the peer is gone, or `signal` has aborted. */
  async write(packet: Buffer, signal: AbortSignal): Promise<boolean> {
    while (this.#fd !== undefined && !signal.aborted) {
      try {
        writeSync(this.#fd, packet);
        return true;
      } catch (error) {
        if (isErrno(error, "EPIPE") || isErrno(error, "ECONNRESET") || isErrno(error, "ENOTCONN")) return false;
        if (!isErrno(error, "EAGAIN")) throw error;
        await sleep(RETRY_MS);
      }
    }
    return false;
  }

  /** No more packets will come. */
  end(): void {
    if (this.#fd !== undefined) shutdownCall(this.#fd, SHUT_WR);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
