import { z } from "zod";

const step = z.looseObject({
  id: z.number(),
  step_size: z.looseObject({ percentage: z.number() }),
  status: z.string(),
  reason: z.string().optional(),
});

/** A rollout as the API shows it. */
export const rollout = z.looseObject({
  id: z.string(),
  description: z.string(),
  created_at: z.string(),
  kind: z.string(),
  status: z.string(),
  state: z.string().optional(),
  current_version: z.number(),
  target_version: z.number(),
  steps: z.array(step),
  progress: z.looseObject({
    total_steps: z.number(),
    current_step: z.number(),
    updated_instances: z.number(),
    total_instances: z.number(),
  }),
  failure: z.looseObject({ instance_id: z.string(), reason: z.string(), at: z.string() }).optional(),
});
export type Rollout = z.infer<typeof rollout>;

export function isActive({ status }: Rollout): boolean {
  return status === "pending" || status === "progressing";
}

/** One line of a list. */
export function line({ id, created_at, status, state, current_version, target_version, progress }: Rollout): string {
  const at = `step ${progress.current_step} of ${progress.total_steps}`;
  return `${id}  ${created_at}  version ${current_version} → ${target_version}  ${status}${state === undefined ? "" : ` (${state})`}, ${at}`;
}

/** A rollout for a person: where it is, its steps, and what stopped it. */
export function report(shown: Rollout): string {
  const { progress, failure, state } = shown;
  const instances = `${progress.updated_instances} of ${progress.total_instances} containers on version ${shown.target_version}`;
  const steps = shown.steps.map(({ id, step_size, status }) => `  step ${id}: ${step_size.percentage} %, ${status}`);
  const why =
    failure === undefined ? [] : [`  ${failure.reason.replaceAll("\n", "\n  ")}`, `  (instance ${failure.instance_id}, ${failure.at})`];
  return [line(shown), `  ${instances}`, ...steps, ...why, ...next(shown.kind, state)].join("\n");
}

function next(kind: string, state: string | undefined): string[] {
  if (state === "stopped") return ['  "longshore rollout next" goes on, "revert" goes back.'];
  return state === "waiting" && kind === "full_manual" ? ['  "longshore rollout next" makes the next step.'] : [];
}
