import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingLine } from "./waiting-line.js";

test("one asks for all; when it goes the next does; the answer reaches everyone", async () => {
  const line = new WaitingLine();
  let asked = 0;
  let open = false;
  const asker = (signal = new AbortController().signal) => ({
    signal,
    pause: () => new Promise<void>((resolve) => setImmediate(resolve)),
    attempt: () => {
      asked++;
      return open ? "open" : undefined;
    },
  });
  const rounds = async (count: number) => {
    for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
  };
  const first = new AbortController();
  const gone = line.answer(80, asker(first.signal));
  const others = Array.from({ length: 100 }, () => line.answer(80, asker()));
  await rounds(5);
  const crowd = asked;
  await rounds(20);
  assert.ok(asked - crowd <= 25, `${asked - crowd} questions in 20 rounds`);
  first.abort();
  assert.equal(await gone, undefined);
  await rounds(20);
  assert.ok(asked - crowd <= 50, `${asked - crowd} questions in 40 rounds`);
  open = true;
  assert.deepEqual(new Set(await Promise.all(others)), new Set(["open"]));
});
