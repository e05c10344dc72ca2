import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { docker } from "../docker-client.js";
import { AttachedExec } from "../exec-client.js";
import { assertServes, exitCode, removeContainer, stateOf } from "../faults/containers.js";
import type { KillStage } from "../faults/kill-stage.js";
import { containerName } from "../running-engine.js";

const SIGKILLED = 137;
const SIGTERMED = 143;
const EXEC_EVERY = 5;
const FREEZE_EVERY = 10;
const REPLACE_EVERY = 3;

/** How a container crashes. */
type Crash = (stage: KillStage, n: number) => Promise<void>;

const CRASHES: readonly Crash[] = [
  async (stage, n) => {
    await stage.start(n, ["sh", "-c", "exit 3"]);
    assert.equal(await exitCode(stage, n), 3);
  },
  async (stage, n) => {
    await stage.start(n);
    await assertServes(stage, n);
    process.kill(await programOf(stage, n), "SIGKILL");
    assert.equal(await exitCode(stage, n), SIGKILLED);
  },
  async (stage, n) => {
    await stage.start(n);
    process.kill((await stateOf(stage, n))?.Pid ?? 0, "SIGKILL");
    assert.equal(await exitCode(stage, n), SIGKILLED);
  },
  async (stage, n) => {
    await stage.start(n, ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=400M count=2; exit $?"]);
    assert.notEqual(await exitCode(stage, n), 0);
  },
];

/** One life of container `n`, as a Durable Object leads it: started, asked, stopped and removed. Every few do more than that. */
export async function cycle(stage: KillStage, n: number): Promise<void> {
  const name = containerName(n);
  await stage.start(n);
  await assertServes(stage, n);
  if (n % EXEC_EVERY === 0) {
    const exec = await AttachedExec.start(stage.socket, name, { Cmd: ["sh", "-c", "echo said"] });
    assert.equal((await exec.finish(stage.socket)).exitCode, 0);
  }
  if (n % FREEZE_EVERY === 0) {
    const { body } = await docker(stage.socket, "GET", `/containers/${name}/json`);
    await stage.client.freezeInstance(String(body.Id), false);
    await assertServes(stage, n);
  }
  await stop(stage, n);
  if (n % REPLACE_EVERY === 0) {
    await stage.start(n);
    await stop(stage, n);
  }
  await removeContainer(stage, n);
}

/** Container `n` crashes, in one of several ways, and is removed. */
export async function crash(stage: KillStage, n: number): Promise<void> {
  await CRASHES[n % CRASHES.length]?.(stage, n);
  await removeContainer(stage, n);
}

/** Does `work` for each number, so many at a time. Rejects once `signal` says so, when what is under way is done. */
export async function inParallel(
  numbers: Iterable<number>,
  width: number,
  work: (n: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const queue = numbers[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = queue.next(); next.done !== true && signal?.aborted !== true; next = queue.next()) await work(next.value);
    }),
  );
  signal?.throwIfAborted();
}

/** `count` numbers from `first`. */
export function* range(first: number, count: number): Generator<number> {
  for (let n = first; n < first + count; n++) yield n;
}

async function stop(stage: KillStage, n: number): Promise<void> {
  assert.equal((await docker(stage.socket, "POST", `/containers/${containerName(n)}/kill?signal=SIGTERM`)).status, 204);
  assert.equal(await exitCode(stage, n), SIGTERMED);
}

/** The program of a container that serves. */
async function programOf(stage: KillStage, n: number): Promise<number> {
  const pid = (await stateOf(stage, n))?.Pid ?? 0;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
}
