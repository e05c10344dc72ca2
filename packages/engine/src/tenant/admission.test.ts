import assert from "node:assert/strict";
import { test } from "node:test";
import { type ContainerClass, LongshoreError } from "@longshore/contract";
import { Admission, type Start } from "./admission.js";
import { Totals } from "./totals.js";

const containerClass = (namespaceId: string): ContainerClass => ({
  namespaceId,
  className: "Box",
  applicationId: "app",
  applicationName: "boxes",
  image: "a/b:1",
  size: { vcpu: 1, memoryMib: 1024, diskMb: 1000 },
  maxInstances: 1,
  version: 1,
  environment: {},
});

/** A limit of `free` places, for starts of one class. */
function places(free: number, namespaceId = "n") {
  const taken: string[] = [];
  const start = (name: string, signal?: AbortSignal): Start => ({
    name,
    containerClass: containerClass(namespaceId),
    signal,
    reserve: () => {
      if (taken.length >= free) throw new LongshoreError("LIMIT_REACHED", "full");
      taken.push(name);
      return { [Symbol.dispose]: () => void taken.splice(taken.indexOf(name), 1) };
    },
  });
  return { taken, start };
}

const code = (wanted: string) => (error: unknown) => error instanceof LongshoreError && error.code === wanted;

test("starts wait in the order they came, and nobody overtakes", async () => {
  const { taken, start } = places(1);
  const admission = new Admission(60_000);
  const first = await admission.enter(start("first"));
  const second = admission.enter(start("second"));
  const third = admission.enter(start("third"));
  first[Symbol.dispose]();
  const late = admission.enter(start("late"));
  admission.look();
  const place = await second;
  assert.deepEqual(taken, ["second"]);
  place[Symbol.dispose]();
  admission.look();
  (await third)[Symbol.dispose]();
  admission.look();
  (await late)[Symbol.dispose]();
  assert.deepEqual(taken, []);
});

test("a wait has an end, and says what stood in the way; who is gone waits no more", async () => {
  const { start } = places(0);
  const admission = new Admission(20);
  await assert.rejects(
    admission.enter(start("a")),
    (error: LongshoreError) => code("LIMIT_REACHED")(error) && /full It waited 0\.02 s/.test(error.message),
  );
  await assert.rejects(admission.enter(start("b"), 0), code("LIMIT_REACHED"));
  const gone = new AbortController();
  const left = admission.enter(start("c", gone.signal), 60_000);
  await assert.rejects(admission.enter(start("c")), code("CONFLICT"));
  gone.abort();
  await assert.rejects(left, code("TIMEOUT"));
});

test("a class that is full keeps no other from starting, and a crowd is refused at once", async () => {
  const admission = new Admission(60_000);
  const full = places(0);
  const free = places(5, "other");
  const gone = new AbortController();
  const waiting = Array.from({ length: 1000 }, (_, index) => admission.enter(full.start(`w${index}`, gone.signal)));
  await assert.rejects(admission.enter(full.start("one more")), /1000 starts of boxes wait already/);
  await admission.enter(free.start("x"));
  gone.abort();
  assert.ok((await Promise.allSettled(waiting)).every(({ status }) => status === "rejected"));
});

test("all containers together stay within the account's limits", () => {
  const size = { vcpu: 1, memoryMib: 1024, diskMb: 1000 };
  const live = [size, size];
  const totals = new Totals({ vcpu: 3, memoryMib: 10_000, diskMb: 3500 }, () => live);
  totals.requireRoom(size);
  assert.throws(() => totals.requireRoom({ ...size, diskMb: 1501 }), /would have 3501 MB of disk, and may have 3500/);
  live.push(size);
  assert.throws(() => totals.requireRoom(size), code("LIMIT_REACHED"));
});
