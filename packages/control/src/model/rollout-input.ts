import { z } from "zod";
import { ContainersError } from "../api/errors.js";
import { type Configuration, configurationChange } from "./configuration.js";
import { CRASH_REACTIONS, type CrashReaction, type RolloutStep } from "./rollout.js";

export const rolloutInput = z.looseObject({
  description: z.string().max(1_000).nullish(),
  strategy: z.literal("rolling").nullish(),
  kind: z.enum(["full_auto", "full_manual"]).nullish(),
  step_percentage: z.number().nullish(),
  steps: z
    .array(z.looseObject({ step_size: z.object({ percentage: z.number() }), description: z.string().max(1_000).nullish() }))
    .max(100)
    .nullish(),
  target_configuration: configurationChange.nullish(),
  /** Longshore's own. */
  on_crash: z.enum(CRASH_REACTIONS).nullish(),
});

export const rolloutActionInput = z.object({ action: z.enum(["next", "previous", "revert"]) });

export type RolloutInput = z.infer<typeof rolloutInput>;

/** The label that says what a failing instance does to a rollout: `labels` is a field that every client passes on. */
export const CRASH_LABEL = "longshore/on-crash";

const labels = z.array(z.looseObject({ name: z.string(), value: z.string() }));

/** What the configuration's label says; `undefined` where it has none. Errors: `VALIDATE_INPUT`. */
export function crashReactionOf(configuration: Configuration): CrashReaction | undefined {
  const value = labels.safeParse(configuration.labels).data?.find(({ name }) => name === CRASH_LABEL)?.value;
  if (value === undefined) return undefined;
  const reaction = CRASH_REACTIONS.find((each) => each === value);
  if (reaction !== undefined) return reaction;
  throw new ContainersError("VALIDATE_INPUT", { labels: `${CRASH_LABEL} is "${value}"; it can be ${CRASH_REACTIONS.join(", ")}.` });
}

const STEP_PERCENTAGES = [5, 10, 20, 25, 50, 100];

/** The steps that a rollout is to make, each with the part that is done after it. Errors: `VALIDATE_INPUT`. */
export function planSteps(input: Pick<RolloutInput, "steps" | "step_percentage">): RolloutStep[] {
  const { steps, step_percentage } = input;
  if (steps && typeof step_percentage === "number") {
    throw new ContainersError("VALIDATE_INPUT", { step_percentage: "cannot be given together with steps: choose one way." });
  }
  if (steps && steps.length > 0) return explicitSteps(steps);
  const size = step_percentage ?? 100;
  if (!STEP_PERCENTAGES.includes(size)) {
    throw new ContainersError("VALIDATE_INPUT", { step_percentage: `${size} is not one of ${STEP_PERCENTAGES.join(", ")}.` });
  }
  return Array.from({ length: 100 / size }, (_, index) => step(size * (index + 1), undefined));
}

function explicitSteps(steps: NonNullable<RolloutInput["steps"]>): RolloutStep[] {
  const result = steps.map((each) => step(each.step_size.percentage, each.description ?? undefined));
  result.forEach((each, index) => {
    const before = result[index - 1]?.percentage ?? 0;
    if (each.percentage <= before || each.percentage > 100) {
      throw new ContainersError("VALIDATE_INPUT", {
        steps: `step ${index + 1} has ${each.percentage} %: percentages must rise from step to step, up to 100.`,
      });
    }
  });
  if (result.at(-1)?.percentage !== 100) throw new ContainersError("VALIDATE_INPUT", { steps: "the last step must have 100 %." });
  return result;
}

function step(percentage: number, description: string | undefined): RolloutStep {
  return { percentage, description: description ?? `${percentage} % of the instances`, status: "pending" };
}
