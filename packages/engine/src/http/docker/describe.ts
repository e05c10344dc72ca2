import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";

const SHORT_ID = 8;
const LABEL = "dev.longshore";

/** A container as Docker lists it. */
export interface DescribedContainer {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly State: string;
  readonly Status: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** A name for people: workerd's own has a hundred characters. */
export function friendlyName(engine: ContainerEngine, { record }: Instance): string {
  if (record.own !== undefined) return record.name;
  const classes = engine.tenants.get(record.tenant)?.config.classes ?? [];
  const application = classes.find(({ applicationId }) => applicationId === record.applicationId)?.applicationName ?? record.tenant;
  return `${application}-${record.id.slice(0, SHORT_ID)}`;
}

/** One row of `docker ps`. */
export function summary(engine: ContainerEngine, instance: Instance, now = Date.now()): DescribedContainer & Record<string, unknown> {
  const { record } = instance;
  return {
    Id: record.id,
    Names: [`/${friendlyName(engine, instance)}`],
    Image: record.own?.image ?? record.image,
    ImageID: record.imageDigest,
    Command: record.argv.join(" "),
    Created: Math.floor(Date.parse(record.createdAt) / 1000),
    State: stateOf(instance),
    Status: statusText(instance, now),
    Labels: labels(instance),
    Mounts: [],
    NetworkSettings: { Networks: {} },
  };
}

/** What Docker calls the state that a container is in. */
export function stateOf({ status }: Instance): string {
  if (status === "frozen") return "paused";
  return status === "created" || status === "exited" ? status : "running";
}

function statusText({ status, record }: Instance, now: number): string {
  if (status === "created") return "Created";
  const { exit } = record;
  if (exit !== undefined) return `Exited (${exit.code}) ${age(now - Date.parse(exit.at))} ago, ${exit.reason}`;
  // Of an own container nobody says that it is to open a port.
  const up = status === "running" || (status === "starting" && record.own !== undefined);
  return `Up ${age(now - Date.parse(record.startedAt ?? record.createdAt))}${up ? "" : ` (${status})`}`;
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} minutes`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} hours` : `${Math.floor(seconds / 86_400)} days`;
}

export function labels({ record }: Instance): Record<string, string> {
  if (record.own !== undefined) return { ...record.labels };
  return {
    ...record.labels,
    [`${LABEL}.application`]: record.tenant,
    [`${LABEL}.application-id`]: record.applicationId,
    [`${LABEL}.durable-object`]: record.durableObjectId,
    [`${LABEL}.version`]: String(record.version),
  };
}
