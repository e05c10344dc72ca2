import { KillStage, type Slow } from "./kill-stage.js";
import type { Operation } from "./operation.js";
import { type Rehearsal, Walk } from "./walk.js";

export interface Finding {
  readonly operation: string;
  /** 1 for the first. */
  readonly at: number;
  /** The step before which the engine was killed. */
  readonly step: string;
  /** The children that were under way took their time to end. */
  readonly slow: Slow | undefined;
  readonly problem: unknown;
  readonly log: string;
}

export interface Listener {
  /** Ends the walk, and leaves nothing. */
  readonly signal?: AbortSignal;
  told(at: number, of: number, step: string): void;
  found(finding: Finding): void;
}

/** Which of an operation's steps are walked: numbers from 1. */
export type Choice = (steps: readonly string[]) => readonly number[];

/** All of them. */
export const everyStep: Choice = (steps) => steps.map((_, index) => index + 1);

/** Right when a child has begun. */
export const everyChild: Choice = begun(/^spawned /);
/** Right when the OCI runtime has begun, or who runs it. */
export const everyRuntime: Choice = begun(/^spawned (conmon|crun)/);

function begun(child: RegExp): Choice {
  return (steps) => steps.flatMap((name, index) => (child.test(name) ? [index + 1] : []));
}

/** So many steps, evenly spread. */
export function spread(count: number): Choice {
  return (steps) => [...new Set(Array.from({ length: count }, (_, index) => Math.ceil(((index + 0.5) * steps.length) / count)))];
}

/**
 * Walks the steps of one operation, each with an engine of its own. After a finding it goes on with new directories, so that one leak is not found
 * again at every later step. `told` hears of each step before it is walked, `found` of each finding.
 */
export async function walkOperation(
  operation: Operation,
  choose: Choice,
  slow: Slow | undefined,
  { told, found, signal }: Listener,
): Promise<number> {
  let kills = 0;
  let ground: Ground | undefined;
  const interrupted = () => signal?.aborted === true;
  try {
    ground = await begin(operation);
    for (const at of choose(ground.rehearsal.steps)) {
      if (interrupted()) break;
      ground ??= await begin(operation);
      const { steps } = ground.rehearsal;
      const step = steps[at - 1] ?? "the end";
      told(at, steps.length, step);
      try {
        if (await ground.walk.kill(ground.rehearsal, at, slow)) kills++;
      } catch (problem) {
        // An interruption from the terminal is the engine's end, too.
        if (!interrupted()) found({ operation: operation.name, at, step, slow, problem, log: ground.stage.logTail() });
        await ground.stage.abandon();
        ground = undefined;
      }
    }
  } finally {
    await ground?.stage[Symbol.asyncDispose]();
  }
  return kills;
}

interface Ground {
  readonly stage: KillStage;
  readonly walk: Walk;
  readonly rehearsal: Rehearsal;
}

async function begin(operation: Operation): Promise<Ground> {
  const stage = await KillStage.begin();
  try {
    const walk = await Walk.begin(stage);
    return { stage, walk, rehearsal: await walk.rehearse(operation) };
  } catch (error) {
    await stage.abandon();
    throw error;
  }
}
