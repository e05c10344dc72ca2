import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isErrno } from "@longshore/contract";
import { PacketSocket } from "../sys/packet-socket.js";

/** conmon reads packets of at most this size and its terminator. */
const PACKET_BYTES = 8 * 1024;
/** The number of the message in conmon's control pipe. */
const RESIZE = 1;
/** The first byte of each packet from conmon says which stream it is of. */
const STDERR = 3;

/** A connection to the standard streams of a sandbox's first process, through its conmon. Disposing closes it. */
export class Attachment implements Disposable {
  readonly #socket: PacketSocket;

  /** Errors: `SystemCallError` when the sandbox has ended. */
  constructor(sandboxDirectory: string) {
    this.#socket = PacketSocket.connect(join(sandboxDirectory, "attach"));
  }

  /**
   * What the process writes from now on, until its end or until `signal` aborts. None of it is lost: a reader that is slow holds the process up.
   * The bytes are only valid until the next are asked for.
   */
  async *output(signal: AbortSignal): AsyncGenerator<{ readonly stream: "stdout" | "stderr"; readonly bytes: Buffer }> {
    for await (const packet of this.#socket.packets(signal)) {
      yield { stream: packet[0] === STDERR ? "stderr" : "stdout", bytes: packet.subarray(1) };
    }
  }

  /**
   * Gives the process what a client sends, until the client ends it or `signal` aborts. The client's end is the process's end of input where the sandbox was
   * made so. Resolves when nothing more will be given.
   */
  async feed(client: Readable, signal: AbortSignal): Promise<void> {
    for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += PACKET_BYTES) {
        if (!(await this.#socket.write(chunk.subarray(at, at + PACKET_BYTES), signal))) return;
      }
    }
    this.#socket.end();
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** Sets the size of a sandbox's terminal. One that has ended is fine. */
export function resizeTerminal(sandboxDirectory: string, rows: number, columns: number): void {
  try {
    const control = openSync(join(sandboxDirectory, "ctl"), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(control, `${RESIZE} ${rows} ${columns}\n`);
    } finally {
      closeSync(control);
    }
  } catch (error) {
    // conmon is gone, and with it the terminal.
    if (!isErrno(error, "ENXIO") && !isErrno(error, "ENOENT") && !isErrno(error, "EPIPE")) throw error;
  }
}
