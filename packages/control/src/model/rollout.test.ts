import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { InstanceInfo, LongshoreError } from "@longshore/contract";
import type { Release } from "./application.js";
import { act, arrived, failed, type Rollout, reaching, replaced, shareOf, start } from "./rollout.js";
import { planSteps } from "./rollout-input.js";
import { planMove } from "./rollout-plan.js";

const T0 = Date.parse("2026-05-01T12:00:00Z");
const now = new Date(T0).toISOString();

function release(version: number): Release {
  return { version, image: `a/b@${version}`, configuration: { image: "x", vcpu: 1, memory_mib: 3072, disk: { size_mb: 1000 } } };
}

function rollout(changes: Partial<Rollout> = {}): Rollout {
  return {
    id: "r",
    description: "",
    kind: "full_auto",
    status: "pending",
    createdAt: now,
    updatedAt: now,
    current: release(1),
    target: release(2),
    steps: planSteps({ steps: [{ step_size: { percentage: 10 } }, { step_size: { percentage: 100 } }] }),
    step: 0,
    moving: false,
    toward: "current",
    updatedInstances: 0,
    ...changes,
  };
}

/** An object that rollouts reach at this percentage. */
function objectAt(place: number): string {
  return `${Math.round((place / 100) * 2 ** 32)
    .toString(16)
    .padStart(8, "0")}`.padEnd(64, "0");
}

/** Instances of objects that are spread evenly, the oldest first in every rollout. */
function instances(count: number, changes: Partial<InstanceInfo> = {}): InstanceInfo[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `i${index}`,
    tenant: "t",
    namespaceId: "n",
    durableObjectId: objectAt((index * 100) / count),
    applicationId: "app",
    version: 1,
    image: "x",
    status: "running",
    createdAt: new Date(T0 - 60_000 + index).toISOString(),
    ...changes,
  }));
}

describe("planSteps", () => {
  test("a step size becomes rising percentages", () => {
    assert.deepEqual(
      planSteps({ step_percentage: 25 }).map((each) => each.percentage),
      [25, 50, 75, 100],
    );
    assert.deepEqual(
      planSteps({}).map((each) => each.percentage),
      [100],
    );
  });

  for (const [input, what] of [
    [{ step_percentage: 7 }, /7 is not one of/],
    [{ steps: [{ step_size: { percentage: 50 } }] }, /last step must have 100/],
    [{ steps: [{ step_size: { percentage: 50 } }, { step_size: { percentage: 50 } }] }, /must rise/],
    [{ steps: [{ step_size: { percentage: Number.NaN } }] }, /last step must have 100/],
    [{ steps: [{ step_size: { percentage: 100 } }], step_percentage: 100 }, /choose one way/],
  ] as const) {
    test(`refused: ${what.source}`, () => {
      assert.throws(() => planSteps(input as unknown as Parameters<typeof planSteps>[0]), what);
    });
  }
});

describe("an automatic rollout", () => {
  test("goes through its steps and completes", () => {
    const first = start(rollout(), now);
    assert.deepEqual([first.status, first.step, first.moving, first.toward], ["progressing", 1, true, "target"]);
    const second = arrived(first, now);
    assert.deepEqual([second.status, second.step, second.moving], ["progressing", 2, true]);
    assert.deepEqual(
      second.steps.map((each) => each.status),
      ["completed", "progressing"],
    );
    const done = arrived(second, now);
    assert.deepEqual([done.status, done.moving], ["completed", false]);
  });

  test("is replaced only while it is active", () => {
    assert.equal(replaced(start(rollout(), now), now).status, "replaced");
    const done = rollout({ status: "completed" });
    assert.equal(replaced(done, now), done);
  });
});

describe("a manual rollout", () => {
  const waiting = start(rollout({ kind: "full_manual" }), now);

  test("waits for next, and rests after each step", () => {
    assert.deepEqual([waiting.status, waiting.moving], ["pending", false]);
    const rested = arrived(act(waiting, "next", now), now);
    assert.deepEqual([rested.status, rested.step, rested.moving, rested.toward], ["progressing", 1, false, "target"]);
    assert.equal(arrived(act(rested, "next", now), now).status, "completed");
  });

  test("previous goes back a step, revert ends it", () => {
    const rested = arrived(act(waiting, "next", now), now);
    const back = act(rested, "previous", now);
    assert.deepEqual([back.toward, back.step, back.steps[0]?.status], ["current", 0, "reverting"]);
    const returned = arrived(back, now);
    assert.deepEqual([returned.status, returned.steps[0]?.status], ["pending", "reverted"]);
    assert.equal(arrived(act(rested, "revert", now), now).status, "reverted");
  });

  test("an action out of place is a conflict", () => {
    const conflict = (error: LongshoreError): boolean => error.code === "CONFLICT";
    assert.throws(() => act(waiting, "previous", now), conflict);
    assert.throws(() => act(act(waiting, "next", now), "next", now), conflict);
    assert.throws(() => act(rollout({ status: "completed" }), "revert", now), conflict);
  });
});

describe("a rollout whose new instance fails", () => {
  const failure = { instanceId: "i", durableObjectId: objectAt(1), reason: "A new instance ended with exit code 1.", at: now };
  const going = (onCrash: "stop" | "revert") => start(rollout({ onCrash }), now);

  test("stops where it is, says why, and goes on with the same step when told to", () => {
    const stopped = failed(going("stop"), failure, now);
    assert.deepEqual([stopped.status, stopped.moving, stopped.step, stopped.toward], ["progressing", false, 1, "target"]);
    assert.deepEqual([stopped.failure, stopped.steps[0]?.reason], [failure, failure.reason]);
    const later = new Date(T0 + 1000).toISOString();
    const on = act(stopped, "next", later);
    assert.deepEqual([on.moving, on.step, on.failure, on.crashesSince], [true, 1, undefined, later]);
    const back = act(stopped, "previous", later);
    assert.deepEqual([back.toward, back.step, back.share, back.failure], ["current", 0, 0, undefined]);
  });

  test("or goes back, and remembers why", () => {
    const back = failed(going("revert"), failure, now);
    assert.deepEqual([back.moving, back.toward, back.share], [true, "current", 0]);
    const ended = arrived(back, now);
    assert.deepEqual([ended.status, ended.failure], ["reverted", failure]);
  });
});

describe("a step that reaches every instance", () => {
  const look = (seen: Rollout, running: readonly InstanceInfo[]): Rollout => {
    const { share, reachesAll } = planMove(seen, running, T0, 0);
    return reaching(seen, share, reachesAll);
  };
  const one = instances(1, { durableObjectId: objectAt(40) });
  const failure = { instanceId: "i", durableObjectId: objectAt(90), reason: "It failed.", at: now };

  test("reaches all objects: with no instance, with one, and with those that are on the target already", () => {
    const moving = start(rollout(), now);
    const lastOne = [...instances(1, { durableObjectId: objectAt(4) }), ...instances(20, { version: 2 })];
    for (const running of [[], one, lastOne]) assert.equal(shareOf(look(moving, running)), 100, `${running.length} instances`);
    const more = instances(3).map((each, index) => ({ ...each, durableObjectId: objectAt(40 + index) }));
    for (const running of [instances(20), more]) assert.ok(shareOf(look(moving, running)) < 41, `${running.length} instances`);
  });

  test("but not in a manual rollout, whose owner asked for this part", () => {
    const moving = act(start(rollout({ kind: "full_manual" }), now), "next", now);
    assert.equal(shareOf(look(moving, [])), 10);
    assert.ok(shareOf(look(moving, one)) < 41);
  });

  test("until one fails: what has not been reached is protected again, and going on is careful", () => {
    const stopped = failed(look(start(rollout({ onCrash: "stop" }), now), one), failure, now);
    assert.ok(shareOf(stopped) > 40 && shareOf(stopped) < 41);
    assert.equal(shareOf(act(stopped, "next", now)), shareOf(stopped));
    assert.equal(shareOf(act(stopped, "revert", now)), 0);
    assert.equal(shareOf(failed(look(start(rollout({ onCrash: "stop" }), now), []), failure, now)), 10);
    assert.equal(shareOf(failed(look(start(rollout({ onCrash: "revert" }), now), one), failure, now)), 0);
  });

  test("the next step takes nobody back, and going back to the one before leaves it what was its part", () => {
    const steps = planSteps({ step_percentage: 10 });
    const second = arrived(look(start(rollout({ steps, onCrash: "stop" }), now), one), now);
    assert.deepEqual([second.step, shareOf(second)], [2, 100]);
    const crowd = instances(100).map((each, index) => (index > 95 ? each : { ...each, version: 2 }));
    const looked = look(second, crowd);
    assert.equal(shareOf(looked), 100);
    const back = act(failed(looked, failure, now), "previous", now);
    assert.ok(shareOf(back) > 40 && shareOf(back) < 41);
  });
});

describe("planMove", () => {
  const moving = start(rollout(), now);
  const second: Rollout = { ...moving, step: 2, share: 100 };

  test("the first step takes its part, and new instances follow it", () => {
    const move = planMove(moving, instances(20), T0, 0);
    assert.deepEqual(move.stop, ["i0", "i1"]);
    assert.equal(move.arrived, false);
    assert.equal(move.share, 10);
    assert.equal(move.totalInstances, 20);
  });

  test("at least one instance moves in a step, and its object is within it then", () => {
    const some = instances(3).map((each, index) => ({ ...each, durableObjectId: objectAt(40 + index) }));
    const move = planMove(moving, some, T0, 0);
    assert.deepEqual(move.stop, ["i0"]);
    assert.ok(move.share > 40 && move.share < 41);
  });

  test("a step reaches as far as it did at its first look, also when more instances run", () => {
    const steps = moving.steps.map((each) => ({ ...each, share: 10 }));
    const many = instances(100);
    assert.deepEqual(planMove({ ...moving, steps }, many, T0, 0).share, 10);
    assert.deepEqual(planMove({ ...moving, steps }, many.slice(50), T0, 0).stop, []);
  });

  test("nothing running: arrived at once", () => {
    assert.equal(planMove(moving, [], T0, 0).arrived, true);
    assert.equal(planMove(moving, instances(5, { status: "exited" }), T0, 0).arrived, true);
  });

  test("instances on the target, and those of other versions beyond the step, are left alone", () => {
    const some = [...instances(10, { version: 2 }), ...instances(10, { version: 7 }).map((each) => ({ ...each, id: `other-${each.id}` }))];
    assert.deepEqual(planMove({ ...moving, totalInstances: 10 }, some, T0, 0).stop, ["other-i0"]);
  });

  test("an instance that is ending counts, and holds the step open", () => {
    const [first, ...rest] = instances(10);
    assert.ok(first);
    const move = planMove(moving, [{ ...first, status: "stopping" }, ...rest], T0, 0);
    assert.deepEqual([move.stop, move.ending, move.arrived], [[], ["i0"], false]);
  });

  test("the grace period counts from the instance's start", () => {
    const move = planMove(second, instances(3), T0, 60_001);
    assert.deepEqual(move.stop, []);
    assert.equal(move.waitMs, 1);
    assert.deepEqual(planMove(second, instances(3), T0, 59_999).stop, ["i0", "i1"]);
  });

  test("going back moves what is on the target beyond the step before, and nothing else", () => {
    const back: Rollout = { ...moving, step: 0, share: 0, toward: "current", totalInstances: 10 };
    const some = instances(10).map((each, index) => (index < 5 ? { ...each, version: 2 } : each));
    assert.deepEqual(planMove(back, some, T0, 0).stop, ["i0", "i1", "i2", "i3", "i4"]);
    assert.deepEqual(planMove({ ...back, step: 1, share: 10 }, some, T0, 0).stop, ["i1", "i2", "i3", "i4"]);
  });
});
