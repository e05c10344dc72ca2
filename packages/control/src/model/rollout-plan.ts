import { type InstanceInfo, rolloutPlace } from "@longshore/contract";
import { type Rollout, shareOf } from "./rollout.js";

/** What is to be done for a rollout that is moving. */
export interface RolloutMove {
  /** Objects below this place are to be on the target with this step. Where it is more than the rollout says, new instances have to follow it before any is replaced. */
  readonly share: number;
  /** After this step no instance would be off the target; also when none runs. */
  readonly reachesAll: boolean;
  /** Instances to replace now, oldest first. */
  readonly stop: readonly string[];
  /** Instances that are ending already and count towards this step. */
  readonly ending: readonly string[];
  /** Every instance is where it is to be. */
  readonly arrived: boolean;
  /** An instance on the target has not come up yet. */
  readonly starting: boolean;
  /** Milliseconds until another instance may be replaced; absent when time alone brings nothing. */
  readonly waitMs?: number;
  readonly totalInstances: number;
  readonly updatedInstances: number;
}

/**
 * Decides the next replacements: instances whose place is within the step and that are not on the target, and, going back, those on the target beyond it.
 * All others are left alone, whatever they run. One is eligible once it has run for `graceMs`. An instance that is ending counts as not yet moved, so that a
 * step ends when its instances have.
 */
export function planMove(rollout: Rollout, instances: readonly InstanceInfo[], now: number, graceMs: number): RolloutMove {
  const target = rollout.target.version;
  const live = instances.filter((each) => each.status !== "exited");
  const share = reach(rollout, live);
  const astray = live
    .filter((each) => isWithin(each, share) !== (each.version === target) && (isWithin(each, share) || rollout.toward === "current"))
    .sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
  const standing = astray.filter((each) => each.status !== "stopping");
  const eligibleIn = (each: InstanceInfo): number => Date.parse(each.createdAt) + graceMs - now;
  const waits = standing.map(eligibleIn).filter((ms) => ms > 0);
  return {
    share,
    reachesAll: live.every((each) => isWithin(each, share) || each.version === target),
    stop: standing.filter((each) => eligibleIn(each) <= 0).map((each) => each.id),
    ending: astray.filter((each) => each.status === "stopping").map((each) => each.id),
    arrived: astray.length === 0,
    starting: live.some((each) => each.version === target && (each.status === "created" || each.status === "starting")),
    ...(waits.length === 0 ? {} : { waitMs: Math.min(...waits) }),
    totalInstances: rollout.totalInstances ?? live.length,
    updatedInstances: live.filter((each) => each.version === target).length,
  };
}

/** A step reaches as many of the instances that run as its percentage says, at least one: with few of them it reaches beyond its percentage of the objects. */
function reach(rollout: Rollout, live: readonly InstanceInfo[]): number {
  const step = rollout.steps[rollout.step - 1];
  if (step === undefined || step.share !== undefined || rollout.toward === "current") return shareOf(rollout);
  // From what the step before was to reach, which may be less than it did.
  const share = Math.max(rollout.steps[rollout.step - 2]?.share ?? shareOf(rollout), step.percentage);
  const places = live.map((each) => rolloutPlace(each.durableObjectId)).sort((a, b) => a - b);
  const last = places[Math.ceil((places.length * step.percentage) / 100) - 1];
  // Just beyond the last of them: the next possible place.
  return last === undefined ? share : Math.max(share, last + 100 / 2 ** 32);
}

function isWithin({ durableObjectId }: InstanceInfo, share: number): boolean {
  return rolloutPlace(durableObjectId) < share;
}
