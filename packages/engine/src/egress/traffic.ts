import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { type EgressUsage, isErrno, type TransferredBytes } from "@longshore/contract";

/** Where a container's outbound connection goes. */
export type Way = "internet" | "workers";
type Counts = Omit<EgressUsage, "tenant">;

const SAVE_MS = 10_000;

/** Counts the bytes of one application's outbound connections. Durable, but for the last ten seconds before a kill. */
export class Traffic implements Disposable {
  readonly #file: string;
  /** Of the connections that have ended. */
  #ended: Counts;
  readonly #open = new Map<Socket, Way>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(file: string, ended: Counts) {
    this.#file = file;
    this.#ended = ended;
  }

  /** What is not there, or was half written, counts from now on. */
  static open(file: string): Traffic {
    return new Traffic(file, read(file) ?? { since: new Date().toISOString(), internet: NOTHING, workers: NOTHING });
  }

  /** Counts all that passes on a container's connection, from its beginning to its end. */
  count(socket: Socket, way: Way): void {
    this.#open.set(socket, way);
    this.#saveLater();
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#ended = { ...this.#ended, [way]: sum(this.#ended[way], socket) };
    });
  }

  /** Open connections included. */
  get counts(): Counts {
    const counts = { ...this.#ended };
    for (const [socket, way] of this.#open) counts[way] = sum(counts[way], socket);
    return counts;
  }

  /** Saves for the last time. */
  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#save();
  }

  #saveLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save();
      if (this.#open.size > 0) this.#saveLater();
    }, SAVE_MS).unref();
  }

  #save(): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.partial`, JSON.stringify(this.counts), { mode: 0o600 });
    renameSync(`${this.#file}.partial`, this.#file);
  }
}

const NOTHING: TransferredBytes = { sentBytes: 0, receivedBytes: 0 };

/** The container's end of the socket is the other one: what is read here was sent there. */
function sum({ sentBytes, receivedBytes }: TransferredBytes, { bytesRead, bytesWritten }: Socket): TransferredBytes {
  return { sentBytes: sentBytes + bytesRead, receivedBytes: receivedBytes + bytesWritten };
}

function read(file: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Counts;
  } catch (error) {
    if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
