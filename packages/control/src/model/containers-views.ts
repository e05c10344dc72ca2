import { hasFailed, type InstanceInfo } from "@longshore/contract";
import type { Application, Release } from "./application.js";
import { isActive, type Rollout, type RolloutFailure } from "./rollout.js";

type View = Record<string, unknown>;

/** An application as the API shows it; its configuration is the one that instances start with now. */
export function applicationView(application: Application, accountId: string, instances: readonly InstanceInfo[]): View {
  const active = application.rollouts.find(isActive);
  const target = active?.target ?? application.live;
  const own = latestPerObject(instances.filter((each) => each.applicationId === application.id));
  return {
    id: application.id,
    created_at: application.createdAt,
    updated_at: application.updatedAt,
    account_id: accountId,
    name: application.name,
    version: application.live.version,
    ...application.extra,
    instances: own.filter((each) => each.status !== "exited").length,
    max_instances: application.maxInstances,
    configuration: application.live.configuration,
    durable_objects: { namespace_id: application.namespaceId },
    jobs: false,
    rollout_active_grace_period: application.graceSeconds,
    ...(active === undefined ? {} : { active_rollout_id: active.id }),
    scheduling_hint: {
      current: hint(application.live, application),
      target: hint(target, application),
    },
    health: { instances: health(own) },
  };
}

/** An application in the list that `containers list` prints. */
export function dashApplicationView(application: Application, instances: readonly InstanceInfo[]): View {
  const own = latestPerObject(instances.filter((each) => each.applicationId === application.id));
  return {
    id: application.id,
    created_at: application.createdAt,
    updated_at: application.updatedAt,
    name: application.name,
    version: application.live.version,
    instances: own.filter((each) => each.status !== "exited").length,
    image: application.live.configuration.image,
    health: { instances: health(own) },
  };
}

/** The two lists that `containers instances` joins into its rows, one row for each Durable Object. */
export function dashInstanceViews(
  application: Application,
  instances: readonly InstanceInfo[],
  location: string,
): { instance: View; durable_object: View }[] {
  return latestPerObject(instances.filter((each) => each.applicationId === application.id)).map((each) => ({
    instance: {
      id: each.id,
      created_at: each.createdAt,
      type: "durable_object",
      location,
      app_version: each.version,
      name: each.durableObjectId,
      image: each.image,
      current_placement: placement(each),
    },
    durable_object: { id: each.durableObjectId, deployment_id: each.id, placement_id: each.id, assigned_at: each.createdAt },
  }));
}

export function rolloutView(rollout: Rollout): View {
  return {
    id: rollout.id,
    description: rollout.description,
    created_at: rollout.createdAt,
    last_updated_at: rollout.updatedAt,
    ...(rollout.startedAt === undefined ? {} : { started_at: rollout.startedAt }),
    kind: rollout.kind,
    strategy: "rolling",
    current_version: rollout.current.version,
    target_version: rollout.target.version,
    current_configuration: rollout.current.configuration,
    target_configuration: rollout.target.configuration,
    status: rollout.status,
    health: {
      instances: {
        active: rollout.updatedInstances,
        healthy: rollout.updatedInstances,
        failed: rollout.failure === undefined ? 0 : 1,
        starting: 0,
        scheduling: 0,
      },
    },
    ...(rollout.onCrash === undefined ? {} : { on_crash: rollout.onCrash }),
    // At rest within a step: it waits for next, previous or revert.
    ...(rollout.failure === undefined ? {} : { failure: failureView(rollout.failure) }),
    ...(isActive(rollout) ? { state: stateOf(rollout) } : {}),
    steps: rollout.steps.map((each, index) => ({
      id: index + 1,
      step_size: { percentage: each.percentage },
      description: each.description,
      status: each.status,
      ...(each.startedAt === undefined ? {} : { started_at: each.startedAt }),
      ...(each.completedAt === undefined ? {} : { completed_at: each.completedAt }),
      ...(each.reason === undefined ? {} : { reason: each.reason }),
    })),
    progress: {
      total_steps: rollout.steps.length,
      current_step: rollout.step,
      updated_instances: rollout.updatedInstances,
      total_instances: rollout.totalInstances ?? 0,
    },
  };
}

function failureView({ instanceId, durableObjectId, reason, at }: RolloutFailure): View {
  return { instance_id: instanceId, durable_object_id: durableObjectId, reason, at };
}

/** What an active rollout is doing. */
function stateOf(rollout: Rollout): string {
  if (rollout.moving) return rollout.toward === "current" ? "going back" : rollout.watchedSince === undefined ? "replacing" : "watching";
  return rollout.failure === undefined ? "waiting" : "stopped";
}

function hint(release: Release, application: Application): View {
  return { instances: 0, configuration: release.configuration, version: release.version, max_instances: application.maxInstances };
}

function health(instances: readonly InstanceInfo[]): View {
  const count = (...statuses: InstanceInfo["status"][]): number => instances.filter((each) => statuses.includes(each.status)).length;
  // A sleeping container answers like any other: it wakes for the request.
  const running = count("running", "frozen");
  return {
    active: running,
    healthy: running,
    failed: instances.filter(({ exit }) => exit !== undefined && hasFailed(exit)).length,
    starting: count("created", "starting"),
    scheduling: 0,
  };
}

function placement(instance: InstanceInfo): View {
  const container = containerStatus(instance);
  return {
    id: instance.id,
    created_at: instance.createdAt,
    deployment_id: instance.id,
    deployment_version: instance.version,
    terminate: instance.status === "stopping",
    durable_object_actor_id: instance.durableObjectId,
    status: { health: container, container_status: container, ready: instance.status === "running" || instance.status === "frozen" },
    ...(instance.exit === undefined ? {} : { last_update: instance.exit.at }),
  };
}

function containerStatus(instance: InstanceInfo): string {
  if (instance.status === "created" || instance.status === "starting") return "placed";
  if (instance.status !== "exited") return instance.status;
  return instance.exit !== undefined && hasFailed(instance.exit) ? "failed" : "stopped";
}

/** Only the newest life of each Durable Object's container. */
function latestPerObject(instances: readonly InstanceInfo[]): InstanceInfo[] {
  const latest = new Map<string, InstanceInfo>();
  for (const each of instances) {
    const seen = latest.get(each.durableObjectId);
    if (seen === undefined || Date.parse(seen.createdAt) <= Date.parse(each.createdAt)) latest.set(each.durableObjectId, each);
  }
  return [...latest.values()];
}
