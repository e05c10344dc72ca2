import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { median } from "./statistics.mjs";

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

/**
 * The calls of one cold start in their order, over many of them: rows of name, median time of arrival after the client's request, and median
 * time in the engine. A start with calls that the others have not is left out.
 */
export function callRows(samples, calls) {
  const starts = samples.map(({ from, at }) =>
    calls
      .filter(({ call, from: arrived }) => call !== "connection" && arrived >= from && arrived <= at)
      .map((call) => ({ ...call, offset: call.from - from })),
  );
  const order = (list) => list.map(({ call }) => nameOf(call)).join();
  const alike = starts.filter((list) => order(list) === order(starts.at(-1)));
  return alike[0].map(({ call }, index) => [
    nameOf(call),
    median(alike.map((list) => list[index].offset)),
    // What waits for the container to end is answered long after.
    call.includes("/wait") ? "" : median(alike.map((list) => list[index].to - list[index].from)),
  ]);
}

/** A call without the container's own name. */
function nameOf(call) {
  return call.replace(/workerd-[0-9a-f-]*[0-9a-f]{64}/, "<container>").replace(/\?force=true$/, "");
}
