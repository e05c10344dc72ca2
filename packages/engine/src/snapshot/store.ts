import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { requireSpace } from "../disk/disks.js";

const snapshotSchema = z.object({
  /** The name that workerd gives it; unique in the tenant. */
  name: z.string(),
  kind: z.enum(["directory", "container"]),
  createdAt: z.string(),
  /** What it holds, in bytes: a directory's files, or what the container has written besides its image. */
  sizeBytes: z.number(),
  /** As they came with the Docker API's volume. */
  labels: z.record(z.string(), z.string()),
  /** Digest of the image that the container was started from. */
  imageDigest: z.string().optional(),
  /** The same image, as `<repository>@sha256:…`. */
  image: z.string().optional(),
  /** Container snapshots that this one continues, lowest first. */
  below: z.array(z.string()),
});

export type Snapshot = z.infer<typeof snapshotSchema>;

/** Names come from workerd and become file names. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const PARTIAL = ".partial-";
const META = "snapshot.json";
const CONTENT = "content";

/**
 * The snapshots of a host's applications, one directory for each: `<tenant>/<name>/{snapshot.json,content}`. They appear and disappear by rename, so
 * what is there is whole, whenever the engine was killed; what it left half made is swept by {@link open}. A snapshot never changes.
 */
export class SnapshotStore {
  readonly #directory: string;
  /** Tenant → name → snapshot. */
  readonly #known = new Map<string, Map<string, Snapshot>>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<SnapshotStore> {
    const store = new SnapshotStore(directory);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const tenant of await readdir(directory)) {
      for (const name of await readdir(join(directory, tenant))) {
        const path = join(directory, tenant, name);
        if (name.startsWith(PARTIAL)) await rm(path, { recursive: true, force: true });
        else store.#of(tenant).set(name, snapshotSchema.parse(JSON.parse(await readFile(join(path, META), "utf8"))));
      }
    }
    return store;
  }

  list(tenant: string): Snapshot[] {
    return [...(this.#known.get(tenant)?.values() ?? [])];
  }

  *all(): Generator<Snapshot> {
    for (const snapshots of this.#known.values()) yield* snapshots.values();
  }

  find(tenant: string, name: string): Snapshot | undefined {
    return this.#known.get(tenant)?.get(name);
  }

  /** Where a snapshot's content is: the files of a directory's, a captured disk (disk/captured.ts) of a container's. */
  content(tenant: string, name: string): string {
    return join(this.#directory, tenant, name, CONTENT);
  }

  /**
   * Makes a snapshot: `fill` puts the content into an empty directory and returns its size in bytes. On failure nothing is left.
   * Errors: `CONFLICT` (the name is taken), `INVALID_INPUT` (the name), `NO_SPACE`, and whatever `fill` throws.
   */
  async create(
    tenant: string,
    details: Omit<Snapshot, "createdAt" | "sizeBytes">,
    fill: (directory: string) => Promise<number>,
  ): Promise<Snapshot> {
    assertName(details.name);
    if (this.find(tenant, details.name) !== undefined) throw new LongshoreError("CONFLICT", `There is a snapshot ${details.name} already.`);
    const partial = join(this.#directory, tenant, `${PARTIAL}${details.name}`);
    await mkdir(join(this.#directory, tenant), { recursive: true, mode: 0o700 });
    await requireSpace(join(this.#directory, tenant));
    await rm(partial, { recursive: true, force: true });
    try {
      await mkdir(join(partial, CONTENT), { recursive: true, mode: 0o755 });
      const sizeBytes = await fill(join(partial, CONTENT));
      const snapshot: Snapshot = { ...details, createdAt: new Date().toISOString(), sizeBytes };
      await writeDurably(join(partial, META), JSON.stringify(snapshot));
      await rename(partial, join(this.#directory, tenant, details.name));
      this.#of(tenant).set(details.name, snapshot);
      return snapshot;
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw error;
    }
  }

  /** Removes a snapshot; none of that name is fine. The caller knows that nobody uses it. */
  async remove(tenant: string, name: string): Promise<void> {
    if (!this.#known.get(tenant)?.delete(name)) return;
    const partial = join(this.#directory, tenant, `${PARTIAL}${name}`);
    await rename(join(this.#directory, tenant, name), partial);
    await rm(partial, { recursive: true, force: true });
  }

  /** Forgets a tenant with everything of it. */
  async removeTenant(tenant: string): Promise<void> {
    for (const { name } of this.list(tenant)) await this.remove(tenant, name);
    this.#known.delete(tenant);
    await rm(join(this.#directory, tenant), { recursive: true, force: true });
  }

  /**
   * Removes snapshots older than `ttlMs`, except those that `inUse` names (`<tenant>/<name>`) and those that a younger one continues.
   * Returns what is gone.
   */
  async expire(ttlMs: number, inUse: ReadonlySet<string>, now = Date.now()): Promise<string[]> {
    const gone: string[] = [];
    for (const [tenant, snapshots] of this.#known) {
      const isOld = (snapshot: Snapshot) => now - Date.parse(snapshot.createdAt) >= ttlMs;
      const needed = new Set([...snapshots.values()].filter((each) => !isOld(each)).flatMap((each) => each.below));
      for (const snapshot of [...snapshots.values()]) {
        if (!isOld(snapshot) || needed.has(snapshot.name) || inUse.has(`${tenant}/${snapshot.name}`)) continue;
        await this.remove(tenant, snapshot.name);
        gone.push(`${tenant}/${snapshot.name}`);
      }
    }
    return gone;
  }

  #of(tenant: string): Map<string, Snapshot> {
    const snapshots = this.#known.get(tenant) ?? new Map<string, Snapshot>();
    this.#known.set(tenant, snapshots);
    return snapshots;
  }
}

/** Errors: `INVALID_INPUT`. */
export function assertName(name: string): void {
  if (!NAME.test(name)) throw new LongshoreError("INVALID_INPUT", `"${name}" cannot name a volume or a snapshot.`);
}

async function writeDurably(file: string, text: string): Promise<void> {
  await using handle = await open(file, "w", 0o600);
  await handle.writeFile(text);
  await handle.sync();
}
