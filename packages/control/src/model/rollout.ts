import { ContainersError } from "../api/errors.js";
import type { Release } from "./application.js";

export type RolloutKind = "full_auto" | "full_manual";
export type RolloutStatus = "pending" | "progressing" | "completed" | "reverted" | "replaced";
export type StepStatus = "pending" | "progressing" | "reverting" | "completed" | "reverted";
export type RolloutAction = "next" | "previous" | "revert";
/** What happens when an instance on the target fails while the rollout is made: it stops where it is, it goes back, or it goes on all the same. */
export const CRASH_REACTIONS = ["stop", "revert", "ignore"] as const;
export type CrashReaction = (typeof CRASH_REACTIONS)[number];

/** An instance on the target that failed. */
export interface RolloutFailure {
  readonly instanceId: string;
  readonly durableObjectId: string;
  /** What the platform says of its end, with its last lines of output. */
  readonly reason: string;
  readonly at: string;
}

export interface RolloutStep {
  /** How many of the instances are on the target after this step, in percent of those that the rollout found running. */
  readonly percentage: number;
  readonly description: string;
  readonly status: StepStatus;
  readonly startedAt?: string;
  readonly completedAt?: string;
  /** Objects below this place are on the target with this step; absent until the runner has looked. At least the percentage. */
  readonly share?: number;
  /** Why it stopped. */
  readonly reason?: string;
}

/**
 * The move of an application's running instances from one release to another.
 *
 * ```
 * pending ──next/start──▶ progressing (forward) ──▶ at rest after step n ──next──▶ … ──▶ completed
 *                              │                          │ previous, revert
 *                              ├────────revert──────▶ progressing (back) ──▶ at rest after step n-1, or reverted
 *                              └─ an instance on the target fails ──▶ at rest within step n, with `failure` ──next──▶ on with step n
 * ```
 * `replaced` ends it from anywhere: a newer rollout has taken over.
 */
export interface Rollout {
  readonly id: string;
  readonly description: string;
  readonly kind: RolloutKind;
  readonly status: RolloutStatus;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly startedAt?: string;
  readonly current: Release;
  readonly target: Release;
  readonly steps: readonly RolloutStep[];
  /** The step that is being made or, at rest, was made last; 0 before the first. Going back: the step to return to. */
  readonly step: number;
  /** False at rest. */
  readonly moving: boolean;
  /** Where it moves or, at rest, moved last: new instances start with that release. */
  readonly toward: "current" | "target";
  /** Going back ends the rollout. */
  readonly reverting?: true;
  /**
   * Objects below this place (`rolloutPlace`) are to be on the target, the others are not. It is beyond its step's while an automatic step reaches every
   * instance: there is nobody left whom a smaller one would protect, so that whoever asks after a deploy with no or few instances is answered by the target.
   */
  readonly share?: number;
  readonly onCrash?: CrashReaction;
  /** Failures before this moment are not held against it. */
  readonly crashesSince?: string;
  /** Since when all instances of the step have been replaced, and the new ones are watched. */
  readonly watchedSince?: string;
  /** What stopped it, or made it go back. */
  readonly failure?: RolloutFailure;
  /** Instances found running when it started; absent until the runner has looked. */
  readonly totalInstances?: number;
  readonly updatedInstances: number;
}

export function isActive(rollout: Rollout): boolean {
  return rollout.status === "pending" || rollout.status === "progressing";
}

/** See {@link Rollout.share}; one that an earlier Longshore began had all its new instances on the release that it moved to. */
export function shareOf({ share, toward }: Rollout): number {
  return share ?? (toward === "target" ? 100 : 0);
}

/** True while both are on the same way: what was seen for one counts for the other. */
export function sameMovement(a: Rollout, b: Rollout): boolean {
  return (
    a.id === b.id &&
    a.moving === b.moving &&
    a.toward === b.toward &&
    a.step === b.step &&
    a.status === b.status &&
    a.share === b.share &&
    a.steps[a.step - 1]?.share === b.steps[b.step - 1]?.share &&
    a.watchedSince === b.watchedSince &&
    a.crashesSince === b.crashesSince &&
    a.reverting === b.reverting
  );
}

/** The rollout as it starts: an automatic one moves at once, a manual one waits for `next`. */
export function start(rollout: Rollout, now: string): Rollout {
  return rollout.kind === "full_manual" ? rollout : forward(rollout, now);
}

/** Errors: `ROLLOUT_NOT_ACTIVE` when the action does not fit the rollout's state. */
export function act(rollout: Rollout, action: RolloutAction, now: string): Rollout {
  if (!isActive(rollout)) throw notNow(rollout, `it is ${rollout.status}`);
  if (action === "revert") return back(rollout, 0, now, true);
  if (rollout.moving) throw notNow(rollout, `step ${rollout.step} is under way`);
  if (action === "next") return rollout.failure === undefined ? forward(rollout, now) : goOn(rollout, now);
  if (rollout.step === 0) throw notNow(rollout, "no step has been made");
  const { failure: _failure, ...rest } = rollout;
  return { ...back(rest, rollout.step - 1, now, false), crashesSince: now };
}

/** The rollout when an instance on the target has failed. */
export function failed(rollout: Rollout, failure: RolloutFailure, now: string): Rollout {
  const steps = rollout.steps.map((each, index) => (index === rollout.step - 1 ? { ...each, reason: failure.reason } : each));
  const { watchedSince: _watched, ...rest } = { ...rollout, steps, failure, updatedAt: now };
  if (rollout.onCrash === "revert") return back(rest, 0, now, true);
  // Now there is somebody to protect: all those who have not been reached yet.
  const share = steps[rollout.step - 1]?.share;
  return { ...rest, moving: false, ...(share === undefined ? {} : { share }) };
}

/** The rollout with the new instances of its step under watch. */
export function watched(rollout: Rollout, now: string): Rollout {
  return { ...rollout, watchedSince: now, updatedAt: now };
}

/** The rollout once it is known how far this step reaches, and whether that is every instance. */
export function reaching(rollout: Rollout, share: number, reachesAll: boolean): Rollout {
  const steps = rollout.steps.map((each, index) => (index === rollout.step - 1 ? { ...each, share } : each));
  return { ...rollout, steps, share: reachesAll && rollout.kind === "full_auto" ? 100 : Math.max(share, shareOf(rollout)) };
}

/** The rollout once its present movement has reached its goal: at rest, on to the next step, or over. */
export function arrived(rollout: Rollout, now: string): Rollout {
  const rest: Rollout = { ...rollout, moving: false, updatedAt: now };
  if (rollout.toward === "current") {
    const steps = rest.steps.map((each) => (each.status === "reverting" ? { ...each, status: "reverted" as const } : each));
    return { ...rest, steps, status: rest.reverting ? "reverted" : rest.step === 0 ? "pending" : "progressing" };
  }
  const steps = rest.steps.map((each, index) =>
    index === rest.step - 1 ? { ...each, status: "completed" as const, completedAt: now } : each,
  );
  const done = { ...rest, steps };
  if (rest.step === rest.steps.length) return { ...done, status: "completed" };
  return rest.kind === "full_auto" ? forward(done, now) : done;
}

export function replaced(rollout: Rollout, now: string): Rollout {
  if (!isActive(rollout)) return rollout;
  return { ...rollout, moving: false, status: "replaced", updatedAt: now };
}

function forward(rollout: Rollout, now: string): Rollout {
  const step = rollout.step + 1;
  const steps = rollout.steps.map((each, index) =>
    index === step - 1 ? { ...each, status: "progressing" as const, startedAt: now } : each,
  );
  const { watchedSince: _watched, ...rest } = rollout;
  return {
    ...rest,
    steps,
    step,
    moving: true,
    toward: "target",
    status: "progressing",
    share: Math.max(rollout.share ?? 0, steps[step - 1]?.percentage ?? 0),
    startedAt: rollout.startedAt ?? now,
    crashesSince: rollout.crashesSince ?? now,
    updatedAt: now,
  };
}

/** On with the step that was stopped: what has failed until now is known. */
function goOn(rollout: Rollout, now: string): Rollout {
  const { failure: _failure, ...rest } = rollout;
  return { ...rest, moving: true, toward: "target", crashesSince: now, updatedAt: now };
}

function back(rollout: Rollout, step: number, now: string, reverting: boolean): Rollout {
  const steps = rollout.steps.map((each, index) =>
    index >= step && each.status !== "pending" && each.status !== "reverted" ? { ...each, status: "reverting" as const } : each,
  );
  const ending = reverting ? { reverting: true as const } : {};
  const share = step === 0 ? 0 : (steps[step - 1]?.share ?? steps[step - 1]?.percentage ?? 0);
  const { watchedSince: _watched, ...rest } = rollout;
  return { ...rest, steps, step, share, moving: true, toward: "current", status: "progressing", updatedAt: now, ...ending };
}

function notNow(rollout: Rollout, why: string): ContainersError {
  return new ContainersError("ROLLOUT_NOT_ACTIVE", { action: `Rollout ${rollout.id} cannot do that now: ${why}.` });
}
