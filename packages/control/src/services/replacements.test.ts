import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RolloutMove } from "../model/rollout-plan.js";
import { RecordingTraffic, until } from "../test-support/recording.js";
import { Replacements } from "./replacements.js";
import { Waker } from "./waker.js";

const AT_ONCE = availableParallelism();
const IDS = Array.from({ length: 3 * AT_ONCE }, (_, index) => `i${index}`);

/** Replaces all of {@link IDS}, as a loop would that looks again whenever it is woken. */
async function replaceAll(stopInstance: (id: string) => Promise<void>): Promise<{ holds: number; batches: number[] }> {
  const traffic = new RecordingTraffic();
  const stopped = new Set<string>();
  const batches: number[] = [];
  const engine = {
    stopInstance: async (id: string) => {
      assert.equal(traffic.held, 1, "told to stop while traffic is held");
      batches[traffic.holds - 1] = (batches[traffic.holds - 1] ?? 0) + 1;
      await stopInstance(id);
      stopped.add(id);
    },
  };
  const waker = new Waker(new AbortController().signal);
  const log = { info: () => undefined, warn: assert.fail, error: assert.fail };
  const replacements = new Replacements({ engine, traffic, log, drainMs: 0 }, "app", waker);
  while (stopped.size < IDS.length) {
    const left = IDS.filter((id) => !stopped.has(id));
    const move = { stop: left, ending: [] } as unknown as RolloutMove;
    replacements.go(move, "a step");
    await waker.wait(60_000);
  }
  await until(() => traffic.held === 0);
  return { holds: traffic.holds, batches };
}

test("a few at a time, each time with traffic held, and served in between", async () => {
  assert.deepEqual(await replaceAll(async () => undefined), { holds: 3, batches: [AT_ONCE, AT_ONCE, AT_ONCE] });
});

test("all that is left at once when they take their time to end", async () => {
  let first: Promise<void> | undefined;
  const stopInstance = async (): Promise<void> => {
    first ??= sleep(1_500);
    await first;
  };
  assert.deepEqual(await replaceAll(stopInstance), { holds: 2, batches: [AT_ONCE, 2 * AT_ONCE] });
});
