import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const TRACE = fileURLToPath(new URL("engine-trace.mjs", import.meta.url));

/** The Docker API calls that a platform's engine gets, with the times of their arrival and of their answer. */
export class EngineCalls {
  #file;

  constructor(file) {
    this.#file = file;
  }

  /** What to add to the environment of `longshore up`. */
  get environment() {
    return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import=${TRACE}`.trim(), BENCH_ENGINE_TRACE: this.#file };
  }

  /** All calls until now, in order of arrival. @returns {Promise<{ call: string, from: number, to: number }[]>} */
  async read() {
    const lines = (await readFile(this.#file, "utf8")).trim().split("\n");
    return lines.map((line) => JSON.parse(line)).sort((one, other) => one.from - other.from);
  }
}
