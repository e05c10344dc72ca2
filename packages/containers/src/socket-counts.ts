import type { Run } from "./run.js";
import { withDeadline } from "./wait.js";

/** Where Longshore's engine itself answers, not the container. The same as in the engine. */
const ENGINE_PORT = 65_535;
const COUNTS_TYPE = "application/vnd.longshore.websocket-counts";
const ANSWER_MS = 1000;

/** How many WebSockets the container has open: now, and whenever it changes, until there is none. Yields nothing if the engine does not tell. Never throws. */
export async function* socketCounts(run: Run): AsyncGenerator<number> {
  try {
    const answer = await withDeadline(ANSWER_MS, undefined, (signal) =>
      run.port(ENGINE_PORT).fetch("http://engine/websockets", { signal, redirect: "manual" }),
    );
    if (answer.headers.get("content-type") !== COUNTS_TYPE || answer.body === null) return void (await answer.body?.cancel());
    let rest = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield Number(line);
    }
  } catch {
    run.forget(ENGINE_PORT);
  }
}
