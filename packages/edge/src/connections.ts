import type { Socket } from "node:net";

/** How often it is looked whether clients take what was written for them, in milliseconds. */
const LOOK_MS = 15_000;

interface Progress {
  bytesWritten: number;
  at: number;
}

export interface ConnectionLimits {
  readonly connectionsPerAddress: number;
  readonly idleMs: number;
  /** Whether this machine's own addresses have no limit; default: they have none. */
  readonly limitLoopback?: boolean;
}

/**
 * Every connection of a client. An address has only so many at a time (this machine's own addresses may be proxies, and have no limit), and a client that
 * takes nothing of what was written for it is cut off.
 */
export class Connections implements Disposable {
  readonly #limits: ConnectionLimits;
  readonly #open = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  readonly #progress = new Map<Socket, Progress>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.#look(Date.now()), Math.min(LOOK_MS, limits.idleMs));
    this.#timer.unref();
  }

  /** Counts a new connection. False when the address has too many; then it is closed as soon as its other listeners have seen it. */
  take(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const before = this.#byAddress.get(address) ?? 0;
    if (before >= this.#limits.connectionsPerAddress && !this.#isExempt(address)) {
      process.nextTick(() => socket.destroy());
      return false;
    }
    this.#open.add(socket);
    this.#byAddress.set(address, before + 1);
    socket.once("close", () => {
      this.#open.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    return true;
  }

  /** Cuts the connection off when its client takes nothing for too long. */
  watch(socket: Socket): void {
    this.#progress.set(socket, { bytesWritten: 0, at: Date.now() });
    socket.once("close", () => this.#progress.delete(socket));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const socket of this.#open) socket.destroy();
  }

  #isExempt(address: string): boolean {
    return this.#limits.limitLoopback !== true && isLoopback(address);
  }

  #look(now: number): void {
    for (const [socket, progress] of this.#progress) {
      // What is buffered counts as written: less of it is progress.
      const written = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength === 0 || written !== progress.bytesWritten) {
        progress.bytesWritten = written;
        progress.at = now;
      } else if (now - progress.at >= this.#limits.idleMs) socket.destroy();
    }
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}
