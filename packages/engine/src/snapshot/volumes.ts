import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { unpackInto } from "./archive.js";
import { assertName, type SnapshotStore } from "./store.js";

/** A container that holds nothing but volumes. The engine does its work itself: there is no such container. */
interface Helper {
  /** Path in the helper → volume. */
  readonly binds: ReadonlyMap<string, string>;
  readonly command: readonly string[];
}

export interface VolumeView {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
}

const HELPER = "volume-helper-";
/** What a route's pattern recognises a helper by. */
export const HELPER_ID = `(${HELPER}[0-9a-f-]{36})`;

export const helperBody = z.object({
  Entrypoint: z.array(z.string()).nullish(),
  Cmd: z.array(z.string()).nullish(),
  HostConfig: z.object({ Binds: z.array(z.string()).nullish() }).nullish(),
});

/**
 * One application's Docker volumes, as workerd uses them for directory snapshots. To save: a volume is made, a container is made with it, an archive is
 * put into that. To restore: a second volume is made, a container copies the first into it with `cp -a`, and the application's container gets the second.
 * Here the first is a {@link SnapshotStore} entry from the moment it is full, and the second is only a name for it: the copy is made by the
 * overlay file system as files are written to. Names of either kind that are not full yet are forgotten when the engine ends; workerd asks again.
 */
export class TenantVolumes {
  readonly #store: SnapshotStore;
  readonly #tenant: string;
  /** Volumes that are made and not filled. */
  readonly #empty = new Map<string, VolumeView>();
  /** Volumes that are copies: name → the snapshot. */
  readonly #copies = new Map<string, { readonly view: VolumeView; readonly snapshot: string }>();
  readonly #helpers = new Map<string, Helper>();

  constructor(store: SnapshotStore, tenant: string) {
    this.#store = store;
    this.#tenant = tenant;
  }

  /** Makes an empty volume; one of that name is fine. Errors: `INVALID_INPUT`. */
  create(name: string, labels: Readonly<Record<string, string>>): VolumeView {
    assertName(name);
    const existing = this.find(name);
    if (existing !== undefined) return existing;
    const view = { name, labels, createdAt: new Date().toISOString() };
    this.#empty.set(name, view);
    return view;
  }

  find(name: string): VolumeView | undefined {
    const snapshot = this.#store.find(this.#tenant, name);
    if (snapshot?.kind === "directory") return snapshot;
    return this.#copies.get(name)?.view ?? this.#empty.get(name);
  }

  list(): VolumeView[] {
    const saved = this.#store.list(this.#tenant).filter(({ kind }) => kind === "directory");
    return [...saved, ...[...this.#copies.values()].map(({ view }) => view), ...this.#empty.values()];
  }

  /** Errors: `CONFLICT` while `isUsed` says that containers have it. */
  async remove(name: string, isUsed: (snapshot: string) => boolean): Promise<boolean> {
    if (this.#empty.delete(name) || this.#copies.delete(name)) return true;
    if (this.#store.find(this.#tenant, name)?.kind !== "directory") return false;
    if (isUsed(name) || this.copied().has(name)) throw new LongshoreError("CONFLICT", `The volume ${name} is used by a container.`);
    await this.#store.remove(this.#tenant, name);
    return true;
  }

  /** Snapshots that copies of are about to be used. */
  copied(): Set<string> {
    return new Set([...this.#copies.values()].map(({ snapshot }) => snapshot));
  }

  /** The snapshot that a volume shows. Errors: `NOT_FOUND`. */
  snapshotBehind(volume: string): string {
    const snapshot = this.#copies.get(volume)?.snapshot ?? volume;
    if (this.#store.find(this.#tenant, snapshot)?.kind === "directory") return snapshot;
    throw new LongshoreError("NOT_FOUND", `There is no volume ${volume}, or nothing is in it.`);
  }

  /** A container that is only asked to hold volumes. Errors: `INVALID_INPUT`, `NOT_FOUND` (a volume). */
  createHelper(body: z.infer<typeof helperBody>): string {
    const binds = new Map<string, string>();
    for (const bind of body.HostConfig?.Binds ?? []) {
      const [volume = "", path = ""] = bind.split(":");
      // A path of the host would be somebody else's files.
      assertName(volume);
      if (this.find(volume) === undefined) throw new LongshoreError("NOT_FOUND", `There is no volume ${volume}.`);
      binds.set(withoutEnd(path), volume);
    }
    if (binds.size === 0) throw new LongshoreError("UNSUPPORTED", "A container without a name must be a helper for volumes.");
    const id = `${HELPER}${randomUUID()}`;
    this.#helpers.set(id, { binds, command: [...(body.Entrypoint ?? []), ...(body.Cmd ?? [])] });
    return id;
  }

  /** Fills the volume at `path`, once. Errors: `NOT_FOUND`, `CONFLICT` (it is full), `NO_SPACE`, `INTERNAL` with tar's words. */
  async putArchive(id: string, path: string, archive: Readable): Promise<void> {
    const volume = this.#helper(id).binds.get(withoutEnd(path));
    if (volume === undefined) throw new LongshoreError("NOT_FOUND", `No volume is at ${path}.`);
    const empty = this.#empty.get(volume);
    if (empty === undefined) throw new LongshoreError("CONFLICT", `The volume ${volume} is a snapshot: it does not change.`);
    const details = { name: volume, kind: "directory" as const, labels: { ...empty.labels }, below: [] };
    await this.#store.create(this.#tenant, details, (directory) => unpackInto(archive, directory));
    this.#empty.delete(volume);
  }

  /** Does what the helper's command says. The one that is known: `cp -a <volume>/. <empty volume>/`. Errors: `UNSUPPORTED`. */
  start(id: string): void {
    const { binds, command } = this.#helper(id);
    const [program = "", option, from = "", to = ""] = command;
    const source = binds.get(withoutEnd(from));
    const target = binds.get(withoutEnd(to));
    const empty = target === undefined ? undefined : this.#empty.get(target);
    if (!/(^|\/)cp$/.test(program) || option !== "-a" || source === undefined || target === undefined || empty === undefined) {
      throw new LongshoreError("UNSUPPORTED", `The engine does not run "${command.join(" ")}" on volumes.`);
    }
    this.#copies.set(target, { view: empty, snapshot: this.snapshotBehind(source) });
    this.#empty.delete(target);
  }

  has(id: string): boolean {
    return this.#helpers.has(id);
  }

  removeHelper(id: string): boolean {
    return this.#helpers.delete(id);
  }

  #helper(id: string): Helper {
    const helper = this.#helpers.get(id);
    if (helper === undefined) throw new LongshoreError("NOT_FOUND", `There is no container ${id}.`);
    return helper;
  }
}

/** `/src/.` and `/src/` are `/src`. */
function withoutEnd(path: string): string {
  return path.replace(/\/\.?$/, "");
}
