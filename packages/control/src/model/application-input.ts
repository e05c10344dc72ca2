import { z } from "zod";
import { ContainersError } from "../api/errors.js";
import type { Application } from "./application.js";
import { type Configuration, type ConfigurationChange, configurationChange, resolveConfiguration } from "./configuration.js";

const seconds = z
  .number()
  .min(0)
  .max(7 * 24 * 3600);

const common = {
  scheduling_policy: z.string().nullish(),
  max_instances: z.int().min(0).max(100_000).nullish(),
  constraints: z.record(z.string(), z.unknown()).nullish(),
  affinities: z.record(z.string(), z.unknown()).nullish(),
  observability: z.record(z.string(), z.unknown()).nullish(),
  rollout_active_grace_period: seconds.nullish(),
};

export const createInput = z.looseObject({
  ...common,
  name: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "may have letters, digits, dots, dashes and underscores"),
  configuration: configurationChange.nullish(),
  durable_objects: z.looseObject({ namespace_id: z.string() }).nullish(),
});

export const modifyInput = z.looseObject({ ...common, configuration: configurationChange.nullish() });

export type CreateInput = z.infer<typeof createInput>;
export type ModifyInput = z.infer<typeof modifyInput>;

/** An application's settings apart from its releases. */
export type ApplicationSettings = Pick<Application, "maxInstances" | "graceSeconds" | "extra">;

/** The policy of a class whose images belong to the versions of its Worker. */
const VERSIONED = "durable_object";
const POLICIES = new Set(["default", "regional", "moon", VERSIONED]);
const EXTRA = ["scheduling_policy", "constraints", "affinities", "observability"] as const;
const DEFAULT_MAX_INSTANCES = 20;

export interface CreatePlan extends ApplicationSettings {
  readonly name: string;
  readonly namespaceId: string;
  readonly isVersioned: boolean;
  readonly configuration: Configuration;
}

/** Errors: `VALIDATE_INPUT`, `SURPASSED_BASE_LIMITS`. */
export function planCreate(input: CreateInput): CreatePlan {
  assertPolicy(input.scheduling_policy);
  if (!input.durable_objects) {
    throw new ContainersError("VALIDATE_INPUT", {
      durable_objects: "is missing: an application without a Durable Object class is not served by Longshore.",
    });
  }
  const isVersioned = input.scheduling_policy === VERSIONED;
  const { image, ...rest } = input.configuration ?? {};
  if (isVersioned === (typeof image === "string")) {
    throw new ContainersError("VALIDATE_INPUT", {
      "configuration.image": isVersioned ? `cannot be given with the policy ${VERSIONED}: images are the version's.` : "is missing.",
    });
  }
  return {
    name: input.name,
    namespaceId: input.durable_objects.namespace_id,
    isVersioned,
    configuration: resolveConfiguration({ ...rest, image: image ?? "" }),
    maxInstances: input.max_instances ?? DEFAULT_MAX_INSTANCES,
    graceSeconds: input.rollout_active_grace_period ?? 0,
    extra: { scheduling_policy: "default", ...extraOf(input) },
  };
}

export interface ModifyPlan extends ApplicationSettings {
  /** What a rollout is to bring; absent when the input does not touch it. */
  readonly configuration?: Configuration;
}

/** Errors: `VALIDATE_INPUT`, `SURPASSED_BASE_LIMITS`. */
export function planModify(application: Application, input: ModifyInput): ModifyPlan {
  assertPolicy(input.scheduling_policy);
  if (input.scheduling_policy && (input.scheduling_policy === VERSIONED) !== (application.isVersioned === true)) {
    const hint = "Delete the application with `wrangler containers delete`, and deploy again.";
    throw new ContainersError("VALIDATE_INPUT", { scheduling_policy: `cannot become or stop being ${VERSIONED}.` }, { hint });
  }
  return {
    ...(input.configuration ? { configuration: mergeConfiguration(application.live.configuration, input.configuration) } : {}),
    maxInstances: input.max_instances ?? application.maxInstances,
    graceSeconds: input.rollout_active_grace_period ?? application.graceSeconds,
    extra: { ...application.extra, ...extraOf(input) },
  };
}

/** `change` over `base`: a part that says anything about the size says all about it. Errors as {@link resolveConfiguration}. */
export function mergeConfiguration(base: Configuration, change: ConfigurationChange): Configuration {
  const { vcpu, memory_mib, disk, ...rest } = base;
  const sized = [change.instance_type, change.vcpu, change.memory_mib, change.disk].some((each) => each !== undefined && each !== null);
  return resolveConfiguration({ ...rest, ...(sized ? {} : { vcpu, memory_mib, disk }), ...change, image: change.image ?? base.image });
}

function extraOf(input: ModifyInput): Record<string, unknown> {
  return Object.fromEntries(EXTRA.filter((key) => input[key] !== undefined && input[key] !== null).map((key) => [key, input[key]]));
}

function assertPolicy(policy: string | null | undefined): void {
  if (policy === undefined || policy === null || POLICIES.has(policy)) return;
  throw new ContainersError("VALIDATE_INPUT", {
    scheduling_policy: `"${policy}" is not served by Longshore yet; use one of ${[...POLICIES].join(", ")}.`,
  });
}
