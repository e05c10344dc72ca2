import { randomUUID } from "node:crypto";
import {
  type Engine,
  type ExitReason,
  type InstanceInfo,
  LongshoreError,
  releaseFor,
  type Tenant,
  type TraceEvent,
  type TraceSource,
  type TrafficGate,
  type TrafficHold,
  type WorkerHost,
  type WorkerTarget,
} from "@longshore/contract";

/** An engine that runs nothing: it remembers what it was told, and its instances are the test's. */
export class RecordingEngine implements Engine {
  readonly tenants = new Map<string, Tenant>();
  readonly prepared: string[] = [];
  readonly stops: { id: string; reason: ExitReason; graceMs: number }[] = [];
  readonly all = new Map<string, InstanceInfo>();
  readonly failed: InstanceInfo[] = [];
  imageBytes = 1_000_000;
  /** Runs before an instance ends; a test can hold it here. */
  beforeStop: (id: string) => Promise<void> = async () => undefined;

  async putTenant(tenant: Tenant): Promise<void> {
    this.tenants.set(tenant.id, tenant);
  }

  async deleteTenant(id: string): Promise<void> {
    this.tenants.delete(id);
    for (const each of this.all.values()) if (each.tenant === id) this.all.delete(each.id);
  }

  async setGate(): Promise<void> {
    await Promise.resolve();
  }

  /** What it finds in other registries, by `<host>/<name>:<tag>`; an error is what it says instead. */
  readonly elsewhere = new Map<string, { digest: string; downloadBytes: number } | LongshoreError>();

  async resolveImage(image: string): Promise<{ digest: string; downloadBytes: number }> {
    const found = this.elsewhere.get(image);
    if (found === undefined) throw new LongshoreError("NOT_FOUND", `There is no image ${image}.`);
    if (found instanceof LongshoreError) throw found;
    return found;
  }

  async prepareImage(image: string): Promise<{ digest: string; sizeBytes: number }> {
    this.prepared.push(image);
    return { digest: image.slice(image.indexOf("@") + 1), sizeBytes: this.imageBytes };
  }

  async instances(tenant?: string): Promise<InstanceInfo[]> {
    return [...this.all.values()].filter((each) => tenant === undefined || each.tenant === tenant);
  }

  async failures(tenant: string): Promise<InstanceInfo[]> {
    return this.failed.filter((each) => each.tenant === tenant);
  }

  /** An instance ends by itself, and its object starts another, so that nothing but the list of failures knows. */
  crash(id: string, lastLines: readonly string[] = []): void {
    const instance = this.all.get(id);
    if (instance === undefined) throw new Error(`no instance ${id}`);
    this.all.delete(id);
    this.failed.push({ ...instance, status: "exited", exit: { code: 1, reason: "exit", at: new Date().toISOString(), lastLines } });
  }

  async stopInstance(id: string, reason: ExitReason, graceMs: number): Promise<void> {
    this.stops.push({ id, reason, graceMs });
    const instance = this.all.get(id);
    if (instance === undefined || instance.status === "exited") return;
    this.all.set(id, { ...instance, status: "stopping" });
    await this.beforeStop(id);
    this.all.set(id, { ...instance, status: "exited", exit: { code: 0, reason, at: new Date().toISOString(), lastLines: [] } });
  }

  async freezeInstance(): Promise<void> {
    await Promise.resolve();
  }

  async thawInstance(): Promise<void> {
    await Promise.resolve();
  }

  async logs(): Promise<string[]> {
    return [];
  }

  socketPath(tenant: string): string {
    return `/run/test/${tenant}.sock`;
  }

  /** A container of the tenant's class starts, as its Durable Object would have it. */
  startInstance(tenant: string, changes: Partial<InstanceInfo> = {}): InstanceInfo {
    const deployed = this.tenants.get(tenant)?.classes[0];
    if (deployed === undefined) throw new Error(`tenant ${tenant} has no class`);
    const durableObjectId = changes.durableObjectId ?? randomUUID().replaceAll("-", "").repeat(2);
    const first = releaseFor(deployed, durableObjectId);
    const instance: InstanceInfo = {
      id: randomUUID(),
      tenant,
      namespaceId: first.namespaceId,
      durableObjectId,
      applicationId: first.applicationId,
      version: first.version,
      image: first.image,
      status: "running",
      createdAt: new Date().toISOString(),
      ...changes,
    };
    this.all.set(instance.id, instance);
    return instance;
  }
}

/** A worker host that runs nothing. */
export class RecordingWorkers implements WorkerHost, TraceSource {
  readonly running = new Map<string, WorkerTarget>();
  readonly removed: string[] = [];
  readonly listeners = new Map<string, (event: TraceEvent) => void>();
  applied = 0;
  /** What `check` finds wrong, if anything. */
  checkFailure: LongshoreError | undefined;
  applyFailure: LongshoreError | undefined;

  async check(): Promise<{ startupMs: number }> {
    if (this.checkFailure !== undefined) throw this.checkFailure;
    return { startupMs: 7 };
  }

  async apply(target: WorkerTarget): Promise<void> {
    if (this.applyFailure !== undefined) throw this.applyFailure;
    this.applied++;
    this.running.set(target.script, target);
  }

  async traces(script: string, listener: (event: TraceEvent) => void): Promise<Disposable> {
    this.listeners.set(script, listener);
    return { [Symbol.dispose]: () => void this.listeners.delete(script) };
  }

  async remove(script: string): Promise<void> {
    this.running.delete(script);
    this.removed.push(script);
  }

  /** The running version's binding of this name. */
  binding(script: string, name: string): unknown {
    return this.running.get(script)?.version.bindings.find((each) => each.name === name);
  }
}

/** A gate that only counts. */
export class RecordingTraffic implements TrafficGate {
  held = 0;
  holds = 0;

  async hold(): Promise<TrafficHold> {
    this.held++;
    this.holds++;
    return {
      cut: () => undefined,
      [Symbol.asyncDispose]: async () => {
        this.held--;
      },
    };
  }
}

/** A registry that has the images that a test gives it, by `<account>/<name>:<tag>`. */
export class FakeRegistry {
  readonly digests = new Map<string, string>();
  /** Of every image, in bytes. */
  size = 1;

  add(reference: string, digest: string): void {
    this.digests.set(reference, digest);
  }

  async resolve(reference: string): Promise<{ digest: string; size: number } | undefined> {
    const at = reference.indexOf("@");
    if (at !== -1) {
      const digest = reference.slice(at + 1);
      return [...this.digests.values()].includes(digest) ? { digest, size: this.size } : undefined;
    }
    const digest = this.digests.get(reference);
    return digest === undefined ? undefined : { digest, size: this.size };
  }
}

export function digestOf(hexDigit: string): string {
  return `sha256:${hexDigit.repeat(64)}`;
}

/** An object that rollouts reach at this percentage. */
export function objectAt(place: number): string {
  return Math.round((place / 100) * 2 ** 32)
    .toString(16)
    .padStart(8, "0")
    .padEnd(64, "0");
}

/** A promise that a test resolves when it likes. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let settle: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: () => settle() };
}

/** Waits until `condition` holds. Errors: `TIMEOUT` after a minute. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new LongshoreError("TIMEOUT", `waited a minute for: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
