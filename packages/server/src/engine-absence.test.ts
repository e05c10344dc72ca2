import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { EngineAbsence } from "./engine-absence.js";

test("every Worker's requests are held once while the engine is away, and go on when it is back", async () => {
  const events: string[] = [];
  const hold = async (scripts: readonly string[], drainMs: number) => {
    events.push(`${scripts.join(" ")} held after ${drainMs} ms`);
    return { cut: () => undefined, [Symbol.asyncDispose]: async () => void events.push("let go") };
  };
  const absence = new EngineAbsence({ hold }, async () => [{ name: "one" }, { name: "two" }]);
  for (const away of [true, true, false, false]) absence.set(away);
  await setTimeout(1);
  assert.deepEqual(events, ["one two held after 0 ms", "let go"]);
});

test("that requests cannot be held is no reason for the server to end", async () => {
  const failing = async () => {
    throw new Error("the bucket cannot be read");
  };
  const absence = new EngineAbsence({ hold: failing }, failing);
  absence.set(true);
  // Node.js tells of a rejection that nobody handles once the microtasks are done, and the test fails.
  await setTimeout(1);
  absence.set(false);
});
