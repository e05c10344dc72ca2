import type { InstanceInfo } from "@longshore/contract";
import { type Rollout, wantedRelease } from "./rollout.js";

/** What is to be done for a rollout that is moving. */
export interface RolloutMove {
  /** Instances to replace now, oldest first. */
  readonly stop: readonly string[];
  /** Instances that are ending already and count towards this step. */
  readonly ending: readonly string[];
  /** The goal of the movement is reached. */
  readonly arrived: boolean;
  /** Milliseconds until another instance may be replaced; absent when time alone brings nothing. */
  readonly waitMs?: number;
  readonly totalInstances: number;
  readonly updatedInstances: number;
}

/**
 * Decides the next replacements. Those on the wanted release are left alone; of the others as many may stay as the step allows, and one is
 * eligible once it has run for `graceMs`. An instance that is ending counts as not yet moved, so that a step ends when its instances have.
 */
export function planMove(rollout: Rollout, instances: readonly InstanceInfo[], now: number, graceMs: number): RolloutMove {
  const wanted = wantedRelease(rollout).version;
  const live = instances.filter((each) => each.status !== "exited");
  const total = rollout.totalInstances ?? live.length;
  const others = live.filter((each) => each.version !== wanted).sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
  const ending = others.filter((each) => each.status === "stopping");
  const standing = others.filter((each) => each.status !== "stopping");
  const surplus = others.length - mayStay(rollout, total);
  const counts = { totalInstances: total, updatedInstances: live.filter((each) => each.version === rollout.target.version).length };
  if (surplus <= 0) return { stop: [], ending: [], arrived: true, ...counts };

  const eligibleIn = (each: InstanceInfo): number => Date.parse(each.createdAt) + graceMs - now;
  const candidates = standing.slice(0, Math.max(0, surplus - ending.length));
  const stop = candidates.filter((each) => eligibleIn(each) <= 0);
  const waits = candidates.map(eligibleIn).filter((ms) => ms > 0);
  return {
    stop: stop.map((each) => each.id),
    ending: ending.map((each) => each.id),
    arrived: false,
    ...(waits.length === 0 ? {} : { waitMs: Math.min(...waits) }),
    ...counts,
  };
}

/** How many instances on the other release may stay when the movement is done. */
function mayStay(rollout: Rollout, total: number): number {
  const percentage = rollout.steps[rollout.step - 1]?.percentage ?? 0;
  const onTarget = Math.ceil((total * percentage) / 100);
  return rollout.toward === "current" ? onTarget : total - onTarget;
}
