import { ContainersError } from "../api/errors.js";
import type { Release } from "./application.js";

export type RolloutKind = "full_auto" | "full_manual";
export type RolloutStatus = "pending" | "progressing" | "completed" | "reverted" | "replaced";
export type StepStatus = "pending" | "progressing" | "reverting" | "completed" | "reverted";
export type RolloutAction = "next" | "previous" | "revert";

export interface RolloutStep {
  /** How many of the instances are on the target after this step, in percent of those that the rollout found running. */
  readonly percentage: number;
  readonly description: string;
  readonly status: StepStatus;
  readonly startedAt?: string;
  readonly completedAt?: string;
}

/**
 * The move of an application's running instances from one release to another.
 *
 * ```
 * pending ──next/start──▶ progressing (forward) ──▶ at rest after step n ──next──▶ … ──▶ completed
 *                              │                          │ previous, revert
 *                              └────────revert──────▶ progressing (back) ──▶ at rest after step n-1, or reverted
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
  /** Instances found running when it started; absent until the runner has looked. */
  readonly totalInstances?: number;
  readonly updatedInstances: number;
}

export function isActive(rollout: Rollout): boolean {
  return rollout.status === "pending" || rollout.status === "progressing";
}

/** The release that new instances start with, as far as this rollout has a say. */
export function wantedRelease(rollout: Rollout): Release {
  return rollout[rollout.toward];
}

/** True while both are on the same way: what was seen for one counts for the other. */
export function sameMovement(a: Rollout, b: Rollout): boolean {
  return (
    a.id === b.id &&
    a.moving === b.moving &&
    a.toward === b.toward &&
    a.step === b.step &&
    a.status === b.status &&
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
  if (action === "next") return forward(rollout, now);
  if (rollout.step === 0) throw notNow(rollout, "no step has been made");
  return back(rollout, rollout.step - 1, now, false);
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
  return {
    ...rollout,
    steps,
    step,
    moving: true,
    toward: "target",
    status: "progressing",
    startedAt: rollout.startedAt ?? now,
    updatedAt: now,
  };
}

function back(rollout: Rollout, step: number, now: string, reverting: boolean): Rollout {
  const steps = rollout.steps.map((each, index) =>
    index >= step && each.status !== "pending" && each.status !== "reverted" ? { ...each, status: "reverting" as const } : each,
  );
  const ending = reverting ? { reverting: true as const } : {};
  return { ...rollout, steps, step, moving: true, toward: "current", status: "progressing", updatedAt: now, ...ending };
}

function notNow(rollout: Rollout, why: string): ContainersError {
  return new ContainersError("ROLLOUT_NOT_ACTIVE", { action: `Rollout ${rollout.id} cannot do that now: ${why}.` });
}
