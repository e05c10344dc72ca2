import type { InstanceSize } from "./instance-types.js";

/** One application's place in the engine: it gets an engine socket of its own, and these are the container classes that may start there. */
export interface Tenant {
  /** Script name: `[a-z0-9-_]`, unique on the installation. */
  readonly id: string;
  readonly classes: readonly ContainerClass[];
}

/** What a container of one Durable Object class is started with. */
export interface ContainerClass {
  /** Durable Object namespace id, 32 hex: workerd names containers `workerd-<namespaceId>-<64 hex object id>`. */
  readonly namespaceId: string;
  readonly className: string;
  readonly applicationId: string;
  readonly applicationName: string;
  /** `<repository>@sha256:…` or `<repository>:<tag>`: in the installation's registry, or in the one that it begins with (`docker.io/…`). */
  readonly image: string;
  readonly size: InstanceSize;
  readonly maxInstances: number;
  /** The application's version: a running instance with a lower one is replaced by a rollout. */
  readonly version: number;
  /** `CLOUDFLARE_*` variables that are the same for each instance of the class. */
  readonly environment: Readonly<Record<string, string>>;
  /** The release that a rollout is bringing: containers of objects whose {@link rolloutPlace} is below `below` start with it. */
  readonly next?: Pick<ContainerClass, "image" | "size" | "version"> & { readonly below: number };
}

/**
 * Where an object comes in every rollout of its class: at least 0 and less than 100, the same for the whole of its life, spread evenly over the objects.
 * A step of 10 % reaches the objects below 10, so that no container goes back and forth between two releases.
 */
export function rolloutPlace(durableObjectId: string): number {
  return (Number.parseInt(durableObjectId.slice(0, 8), 16) / 2 ** 32) * 100;
}

/** The class with each release that its containers may be started with. */
export function releasesOf(containerClass: ContainerClass): [ContainerClass, ...ContainerClass[]] {
  const { next } = containerClass;
  if (next === undefined) return [containerClass];
  const { below: _below, ...release } = next;
  return [containerClass, { ...containerClass, ...release }];
}

/** What a container that starts for this object is started with. */
export function releaseFor(containerClass: ContainerClass, durableObjectId: string): ContainerClass {
  const [base, next = base] = releasesOf(containerClass);
  return containerClass.next !== undefined && rolloutPlace(durableObjectId) < containerClass.next.below ? next : base;
}

/** `frozen`: asleep with its memory kept; the next connection or exec lets it go on. */
export type InstanceStatus = "created" | "starting" | "running" | "frozen" | "stopping" | "exited";

/**
 * Why an instance ended. By itself: `exit` with a code of its own, `signal` by a signal, its own Worker's included, `oom` because its memory
 * ran out, `start_failure` before its program ran. Ended by the platform: `rollout` for a newer version, `timeout` at the hard deadline
 * it was started with, `drain` with the installation, `policy` for any other cause. `lost`: nobody saw how.
 */
export const EXIT_REASONS = ["exit", "signal", "oom", "start_failure", "rollout", "timeout", "drain", "policy", "lost"] as const;
export type ExitReason = (typeof EXIT_REASONS)[number];

export interface ExitRecord {
  readonly code: number;
  readonly reason: ExitReason;
  readonly at: string;
  /** The last lines that the process wrote, oldest first. */
  readonly lastLines: readonly string[];
  /** Set if the kernel killed a process of it because its memory ran out: always with `oom`, and with another reason if it lived on after that. */
  readonly memory?: MemoryShortage;
}

/** Ended in a way that its owner should look at: what was stopped on purpose has not failed, whatever its exit code. */
export function hasFailed(exit: ExitRecord): boolean {
  const { reason, code } = exit;
  return reason === "oom" || reason === "start_failure" || reason === "lost" || (reason === "exit" && code !== 0);
}

/** What the kernel says of an instance whose memory ran out. */
export interface MemoryShortage {
  readonly limitBytes: number;
  /** The most that it ever had; the limit, where the kernel does not say. */
  readonly peakBytes: number;
  /** Processes that were killed for it. */
  readonly kills: number;
}

/** What anyone may know of an instance. */
export interface InstanceInfo {
  /** UUID of this life of the container. */
  readonly id: string;
  readonly tenant: string;
  readonly namespaceId: string;
  /** 64 hex. */
  readonly durableObjectId: string;
  readonly applicationId: string;
  readonly version: number;
  readonly image: string;
  readonly status: InstanceStatus;
  readonly createdAt: string;
  readonly exit?: ExitRecord;
}

/** What the server asks of one host's engine (HTTP over a unix socket; in process in tests). All calls are idempotent. */
export interface Engine {
  /** Adds or replaces a tenant. When it resolves, the tenant is durable and its socket listens. */
  putTenant(tenant: Tenant): Promise<void>;
  /** Stops the tenant's containers, removes its socket. */
  deleteTenant(id: string): Promise<void>;
  /** While the gate is shut, the tenant's workerd cannot remove or stop containers: they outlive its replacement. */
  setGate(tenant: string, shut: boolean): Promise<void>;
  /**
   * What an image's name stands for at this moment, asked of its registry: the digest, and how many bytes a pull takes at most.
   * Errors: `NOT_FOUND`, `UNSUPPORTED` (architecture), `INVALID_INPUT`, `UNAUTHORIZED`, `UNAVAILABLE` (no answer).
   */
  resolveImage(image: string): Promise<{ digest: string; downloadBytes: number }>;
  /**
   * Unpacks an image so that a start needs no waiting, to no more than `maxBytes`; one that is there already may have more.
   * Errors: those of {@link resolveImage}, `TOO_LARGE`, `NO_SPACE`.
   */
  prepareImage(image: string, maxBytes?: number): Promise<{ digest: string; sizeBytes: number }>;
  instances(tenant?: string): Promise<InstanceInfo[]>;
  /**
   * Instances of a tenant that failed: crashed, ran out of memory, could not start. Oldest first, those included that have a successor; the last hundred,
   * none from before the engine's start.
   */
  failures(tenant: string): Promise<InstanceInfo[]>;
  /**
   * SIGTERM now, SIGKILL after `graceMs`; resolves when the instance has ended and its Worker has heard of it. With the reason `rollout` streams, WebSockets and
   * idle connections to it are cut shortly after the SIGTERM, for they have had their time; whoever waits for an answer has until the end.
   */
  stopInstance(id: string, reason: ExitReason, graceMs: number): Promise<void>;
  /**
   * Puts an instance to sleep with its memory kept. `reclaim` takes back at once what memory can be taken, and waits for that.
   * Errors: `CONFLICT` when it is stopping or was not started, `UNSUPPORTED` when the host cannot.
   */
  freezeInstance(id: string, reclaim: boolean): Promise<void>;
  /** Wakes a frozen instance; one that is not frozen stays as it is. */
  thawInstance(id: string): Promise<void>;
  /** The last `tail` lines of output. */
  logs(id: string, tail: number): Promise<string[]>;
  /** The unix socket that a tenant's workerd uses as its Docker Engine API. */
  socketPath(tenant: string): string;
}
