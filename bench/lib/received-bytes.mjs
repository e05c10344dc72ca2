import { chmodSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const TRACE = fileURLToPath(new URL("received-trace.mjs", import.meta.url));
/** Longer than the trace takes to write down what came. */
const SETTLE_MS = 200;

/** What a platform's server has received on its ports. */
export class ReceivedBytes {
  #file;

  constructor(file) {
    this.#file = file;
    writeFileSync(file, "{}");
    // The server is not root.
    chmodSync(file, 0o666);
  }

  /** What to add to the environment of `longshore up`. */
  get environment() {
    return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${TRACE}`.trim(), BENCH_RECEIVED: this.#file };
  }

  /** Bytes until now, on these ports together. */
  async on(ports) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const received = JSON.parse(await readFile(this.#file, "utf8"));
    return ports.reduce((sum, port) => sum + (received[port] ?? 0), 0);
  }
}
