import type { InstanceInfo } from "@longshore/contract";
import { type Application, type Release, runsTheSame } from "./application.js";
import {
  type CrashReaction,
  isActive,
  type Rollout,
  type RolloutKind,
  type RolloutStep,
  reaching,
  replaced,
  shareOf,
  start,
} from "./rollout.js";
import { planMove } from "./rollout-plan.js";

/** How many rollouts an application remembers. */
const ROLLOUTS_KEPT = 20;

export interface RolloutPlan {
  readonly id: string;
  readonly description: string;
  readonly kind: RolloutKind;
  readonly to: Pick<Release, "configuration" | "image">;
  readonly steps: readonly RolloutStep[];
  readonly onCrash: CrashReaction;
}

/**
 * The application with a new rollout, which replaces one that is under way. It says how far the first step reaches among these instances of the application, so
 * that whatever starts once the engine knows of it starts where it belongs.
 */
export function beginRollout(application: Application, plan: RolloutPlan, instances: readonly InstanceInfo[], now: string): Application {
  const { to, kind, ...rest } = plan;
  const before = application.rollouts.find(isActive);
  const current = before === undefined ? application.live : baseOf(before);
  const target = { ...to, version: runsTheSame(current, to) ? current.version : application.lastVersion + 1 };
  const started = start(
    {
      ...rest,
      kind,
      status: "pending",
      createdAt: now,
      updatedAt: now,
      current,
      target,
      step: 0,
      moving: false,
      toward: "current",
      // Objects that a rollout before has reached come first in this one too.
      share: before === undefined || kind === "full_manual" ? 0 : shareOf(before) % 100,
      updatedInstances: 0,
    },
    now,
  );
  const { share, reachesAll } = planMove(started, instances, 0, 0);
  const rollout = started.moving ? reaching(started, share, reachesAll) : started;
  const older = application.rollouts.map((each) => replaced(each, now));
  const { pending: _pending, ...kept } = application;
  return {
    ...kept,
    live: rollout[rollout.toward],
    lastVersion: Math.max(application.lastVersion, target.version),
    rollouts: [rollout, ...older].slice(0, ROLLOUTS_KEPT),
  };
}

/** What the objects that an unfinished rollout has not reached run. */
function baseOf(rollout: Rollout): Release {
  return shareOf(rollout) >= 100 ? rollout.target : rollout.current;
}
