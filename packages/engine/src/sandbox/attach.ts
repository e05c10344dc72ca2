import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isErrno } from "@longshore/contract";
import { PacketWriter } from "../sys/packet-socket.js";

/** conmon reads packets of at most this size and its terminator. */
const PACKET_BYTES = 8 * 1024;
/** The number of the message in conmon's control pipe. */
const RESIZE = 1;

/**
 * Gives a sandbox's first process what a client sends, through its conmon, until the client ends it or `signal` aborts. The client's end is the
 * process's end of input where the sandbox was made so. Resolves when nothing more will be given.
 */
export async function feedInput(sandboxDirectory: string, client: Readable, signal: AbortSignal): Promise<void> {
  using writer = PacketWriter.connect(join(sandboxDirectory, "attach"));
  for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += PACKET_BYTES) {
      if (!(await writer.write(chunk.subarray(at, at + PACKET_BYTES), signal))) return;
    }
  }
  writer.end();
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
