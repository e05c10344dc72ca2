import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { LongshoreError } from "@longshore/contract";
import { captureDisk } from "../disk/captured.js";
import type { Instance } from "../instance/instance.js";
import type { InstanceRecord } from "../instance/record.js";
import { NOTHING_RESTORED, type Restored } from "../sandbox/root-filesystem.js";
import type { SandboxHost } from "../sandbox/sandbox.js";
import { isAlive } from "../sys/process.js";
import { resumeLeftPaused, whilePaused } from "./paused.js";
import type { RestoreRequest } from "./restore-request.js";
import { type Snapshot, SnapshotStore } from "./store.js";
import { TenantVolumes } from "./volumes.js";

/** How long what a container has written may take to reach the disk. */
const SYNC_DEADLINE_MS = 5 * 60_000;
/** Each one below is a loop device and a layer of every container that starts from it. */
const MOST_BELOW = 15;
const MOST_DIRECTORIES = 32;
const TAG_OR_DIGEST = /(@sha256:[0-9a-f]+|:[^:/]*)$/;
/** What the runtime itself puts there must stay on top. */
const TAKEN = /^\/(proc|sys|dev|\.longshore)(\/|$)/;

/** Saves what containers have written, and gives it back: the snapshots of all tenants of a host. */
export class Snapshots {
  readonly store: SnapshotStore;
  readonly #host: SandboxHost;
  readonly #volumes = new Map<string, TenantVolumes>();

  private constructor(store: SnapshotStore, host: SandboxHost) {
    this.store = store;
    this.#host = host;
  }

  /** Sweeps what a killed engine left: half-made snapshots, and containers that were paused for one. */
  static async open(directory: string, host: SandboxHost): Promise<Snapshots> {
    await resumeLeftPaused(host);
    return new Snapshots(await SnapshotStore.open(directory), host);
  }

  /** A tenant's volumes. */
  volumes(tenant: string): TenantVolumes {
    const volumes = this.#volumes.get(tenant) ?? new TenantVolumes(this.store, tenant);
    this.#volumes.set(tenant, volumes);
    return volumes;
  }

  /**
   * Saves what a running container has written besides its image, as it is at one moment: the container is paused for the copy.
   * Errors: `CONFLICT` (not running, the name is taken), `LIMIT_REACHED` (a chain of snapshots that is too long), `NO_SPACE`.
   */
  async saveContainer({ record, live }: Instance, name: string): Promise<Snapshot> {
    if (!live || record.status === "created" || !isAlive(record.process)) {
      throw new LongshoreError("CONFLICT", `The container ${record.name} is not running.`);
    }
    const below = this.#chain(record);
    if (below.length > MOST_BELOW) {
      throw new LongshoreError("LIMIT_REACHED", `The container ${record.name} continues ${below.length} snapshots already.`, {
        hint: "Start from the image once, and restore directories into it.",
      });
    }
    const image = `${record.image.replace(TAG_OR_DIGEST, "")}@${record.imageDigest}`;
    const details = { name, kind: "container" as const, labels: {}, imageDigest: record.imageDigest, image, below };
    const place = { cgroups: this.#host.cgroups, directory: this.#host.directory };
    return await this.store.create(record.tenant, details, (target) =>
      whilePaused(place, record.id, async () => {
        await promisify(execFile)("sync", ["-f", `/proc/${record.process.pid}/root`], { timeout: SYNC_DEADLINE_MS });
        return await captureDisk(`${this.#host.directory}/${record.id}`, target);
      }),
    );
  }

  /** The image that a container snapshot belongs on, whatever is deployed by now; `undefined` when none is to be restored. */
  imageBelow(tenant: string, request: RestoreRequest | undefined): string | undefined {
    return request?.container === undefined ? undefined : this.store.find(tenant, request.container)?.image;
  }

  /** Digests of the images that container snapshots belong on. */
  *imageDigests(): Generator<string> {
    for (const { imageDigest } of this.store.all()) if (imageDigest !== undefined) yield imageDigest;
  }

  /** What a sandbox is made with. Errors: `NOT_FOUND`, `CONFLICT` (saved from another image), `INVALID_INPUT` (a path). */
  resolve(tenant: string, request: RestoreRequest | undefined, imageDigest: string): Restored {
    if (request === undefined) return NOTHING_RESTORED;
    if (request.directories.length > MOST_DIRECTORIES) {
      throw new LongshoreError("INVALID_INPUT", `At most ${MOST_DIRECTORIES} directories can be restored into a container.`);
    }
    const volumes = request.directories.map(({ snapshot, target }) => {
      this.#require(tenant, snapshot, "directory");
      return { content: this.store.content(tenant, snapshot), target: mountTarget(target) };
    });
    return { base: this.#base(tenant, request.container, imageDigest), volumes: outerFirst(volumes) };
  }

  /** Removes what is older than `ttlMs` and used by none of these containers. Returns what is gone, as `<tenant>/<name>`. */
  async expire(ttlMs: number, records: Iterable<InstanceRecord>): Promise<string[]> {
    const inUse = new Set<string>();
    for (const record of records) {
      if (record.status !== "exited") for (const name of usedBy(record)) inUse.add(`${record.tenant}/${name}`);
    }
    for (const [tenant, volumes] of this.#volumes) for (const name of volumes.copied()) inUse.add(`${tenant}/${name}`);
    for (const used of [...inUse]) {
      const [tenant = "", name = ""] = used.split("/");
      for (const below of this.store.find(tenant, name)?.below ?? []) inUse.add(`${tenant}/${below}`);
    }
    return await this.store.expire(ttlMs, inUse);
  }

  async removeTenant(tenant: string): Promise<void> {
    this.#volumes.delete(tenant);
    await this.store.removeTenant(tenant);
  }

  #base(tenant: string, name: string | undefined, imageDigest: string): string[] {
    if (name === undefined) return [];
    const snapshot = this.#require(tenant, name, "container");
    if (snapshot.imageDigest !== imageDigest) {
      throw new LongshoreError("CONFLICT", `The snapshot ${name} was taken from another image (${snapshot.imageDigest ?? "unknown"}).`, {
        hint: "Deploy the image that it was taken from, or start from the image that is deployed.",
      });
    }
    return [...snapshot.below, name].map((each) => {
      this.#require(tenant, each, "container");
      return this.store.content(tenant, each);
    });
  }

  #chain({ tenant, restored }: InstanceRecord): string[] {
    if (restored?.container === undefined) return [];
    return [...(this.store.find(tenant, restored.container)?.below ?? []), restored.container];
  }

  #require(tenant: string, name: string, kind: Snapshot["kind"]): Snapshot {
    const snapshot = this.store.find(tenant, name);
    if (snapshot?.kind === kind) return snapshot;
    throw new LongshoreError("NOT_FOUND", `There is no ${kind} snapshot ${name}: it has expired, or was made on another machine.`);
  }
}

/** The snapshots that a container shows. */
export function usedBy({ restored }: InstanceRecord): string[] {
  if (restored === undefined) return [];
  return [...(restored.container === undefined ? [] : [restored.container]), ...restored.directories.map(({ snapshot }) => snapshot)];
}

/** A directory that lies in another must be mounted after it, or it would be hidden. Errors: `INVALID_INPUT` when two have the same place. */
function outerFirst<T extends { readonly target: string }>(volumes: readonly T[]): T[] {
  const sorted = [...volumes].sort((a, b) => a.target.length - b.target.length);
  const taken = new Set<string>();
  for (const { target } of sorted) {
    if (taken.has(target)) throw new LongshoreError("INVALID_INPUT", `Two directories are to be restored to "${target}".`);
    taken.add(target);
  }
  return sorted;
}

function mountTarget(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  const target = `/${parts.join("/")}`;
  if (!path.startsWith("/") || parts.length === 0 || parts.some((part) => part === "." || part === "..") || TAKEN.test(target)) {
    throw new LongshoreError("INVALID_INPUT", `A directory cannot be restored to "${path}".`);
  }
  return target;
}
