import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openCgroups } from "../../cgroup/open.js";
import type { InstanceRecord } from "../../instance/record.js";
import { readLastLine } from "../../sys/last-line.js";
import { isAlive } from "../../sys/process.js";
import { type Census, cgroupParent, differences } from "../census.js";
import { docker, fetchThrough } from "../docker-client.js";
import { containerName } from "../running-engine.js";
import { eventually } from "./eventually.js";
import { EngineKilled, type KillStage, type Slow } from "./kill-stage.js";
import type { Operation } from "./operation.js";

/** The number of the container that runs through every operation and every kill. */
const BYSTANDER = 1;
const DEATH_DEADLINE_MS = 10_000;

/** Kills engines at steps of operations, and checks what must hold whichever the step was. */
export class Walk {
  readonly #stage: KillStage;
  readonly #door: number;
  readonly #bystander: string;

  private constructor(stage: KillStage, door: number, bystander: string) {
    this.#stage = stage;
    this.#door = door;
    this.#bystander = bystander;
  }

  /** Starts the container that must notice nothing of all this. */
  static async begin(stage: KillStage): Promise<Walk> {
    const name = await stage.start(BYSTANDER);
    const walk = new Walk(stage, await stage.door(BYSTANDER), await identity(stage, name));
    await walk.#assertBystander();
    return walk;
  }

  /** The operation's steps, and what there is when it is done and when it is cleaned up: the measure for {@link kill}. */
  async rehearse(operation: Operation): Promise<Rehearsal> {
    // Once for what is made at the first time and kept.
    await this.#perform(operation, Number.MAX_SAFE_INTEGER);
    await operation.clean(this.#stage);
    await this.#stage.settle();
    const clean = await this.#settledCensus();
    const steps = await this.#perform(operation, Number.MAX_SAFE_INTEGER);
    assert.ok(steps !== undefined, `${operation.name}: the engine ended by itself. ${this.#stage.logTail()}`);
    const done = await this.#settledCensus();
    await operation.clean(this.#stage);
    await this.#assertCensus(clean, "after an operation that nobody disturbed");
    return { operation, steps, done, clean };
  }

  /** Performs the operation, kills the engine before step `at`, starts another and checks. Returns false when there was no such step. */
  async kill({ operation, done, clean }: Rehearsal, at: number, slow?: Slow): Promise<boolean> {
    const stage = this.#stage;
    const steps = await this.#perform(operation, at, slow);
    if (steps === undefined) await stage.startEngine();
    await this.#assertBystander();
    await operation.again(stage);
    await stage.settle();
    await this.#assertCensus(done, "when it was done again");
    await this.#assertAgreement();
    await operation.clean(stage);
    await stage.settle();
    await this.#assertCensus(clean, "when all of it was removed");
    return steps === undefined;
  }

  /** Returns the steps that were taken, or `undefined` when the engine was killed. */
  async #perform(operation: Operation, at: number, slow?: Slow): Promise<string[] | undefined> {
    const stage = this.#stage;
    await operation.prepare(stage);
    await stage.settle();
    try {
      stage.slow(slow);
      if (operation.atStart === true) return await this.#performStart(operation, at);
      await stage.arm(at);
      // Not every client notices that its connection is gone.
      await Promise.race([operation.run(stage), stage.killed()]);
      await stage.settle();
      return await stage.disarm();
    } catch (error) {
      if (error instanceof EngineKilled) await stage.ended();
      else if (!(await endedSoon(stage))) throw error;
      return undefined;
    } finally {
      stage.slow(undefined);
    }
  }

  async #performStart(operation: Operation, at: number): Promise<string[]> {
    await this.#stage.killEngine();
    await operation.run(this.#stage);
    const steps = await this.#stage.startEngine(at);
    await this.#stage.settle();
    return steps;
  }

  /** It serves at the port that it always had, and is the same process in the same life. */
  async #assertBystander(): Promise<void> {
    assert.deepEqual(await fetchThrough(this.#door, 8080), { status: 200, body: "hello from a container\n" });
    assert.equal(await identity(this.#stage, containerName(BYSTANDER)), this.#bystander);
  }

  async #assertCensus(expected: Census, when: string): Promise<void> {
    await eventually(() => {
      const different = differences(expected, this.#stage.census());
      assert.deepEqual(different, [], `there is something else ${when}`);
    });
  }

  /** What there is when nothing changes any more: processes of containers come and go with each request. */
  async #settledCensus(): Promise<Census> {
    let last: Census = {};
    await eventually(() => {
      const previous = last;
      last = this.#stage.census();
      assert.deepEqual(differences(previous, last), []);
    });
    return last;
  }

  /** What the engine says, what it has written down and what the kernel has are the same, for every container. */
  async #assertAgreement(): Promise<void> {
    await eventually(async () => {
      const cgroups = openCgroups(cgroupParent(this.#stage.directory));
      const written = new Map(recordsIn(join(this.#stage.directory, "data/instances")).map((record) => [record.id, record]));
      const instances = await this.#stage.client.instances();
      assert.deepEqual([...written.keys()].sort(), instances.map(({ id }) => id).sort());
      for (const { id, status, exit } of instances) {
        const record = written.get(id);
        const inKernel = { alive: record !== undefined && isAlive(record.process), frozen: cgroups.isFrozen(id) };
        assert.deepEqual(inKernel, { alive: status !== "exited", frozen: status === "frozen" }, `${id} is ${status}`);
        assert.deepEqual([record?.status, record?.exit], [status, exit]);
        assert.equal((await cgroups.processes(id)).length > 0, status !== "exited", `${id} is ${status}`);
      }
    });
  }
}

export interface Rehearsal {
  readonly operation: Operation;
  readonly steps: readonly string[];
  readonly done: Census;
  readonly clean: Census;
}

/** A sandbox that waits has a file already, with nothing in it. */
function recordsIn(directory: string): InstanceRecord[] {
  return readdirSync(directory).flatMap((name) => (readLastLine(join(directory, name)) as InstanceRecord | undefined) ?? []);
}

async function identity(stage: KillStage, name: string): Promise<string> {
  const { body } = await docker(stage.socket, "GET", `/containers/${name}/json`);
  return `${body.Id} ${(body.State as { Pid?: number } | undefined)?.Pid}`;
}

/** A broken connection is seen a moment before the end of the process that broke it. */
async function endedSoon(stage: KillStage): Promise<boolean> {
  const late = new AbortController();
  const deadline = new Promise<false>((resolve) => {
    const timer = setTimeout(() => resolve(false), DEATH_DEADLINE_MS);
    late.signal.addEventListener("abort", () => clearTimeout(timer));
  });
  try {
    return await Promise.race([stage.ended().then(() => true), deadline]);
  } finally {
    late.abort();
  }
}
