// The Worker in the storage process: not run by Node.js. In front of workerd's own KV and D1 it says which store a request is for, keeps large
// values in SQLite (workerd's disk service does not sync what it writes), and destroys stores.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { D1Database as BundledDatabase } from "longshore:d1";
import kv, { KVNamespace as BundledNamespace } from "longshore:kv";

export { default as D1 } from "longshore:d1";

/** Below the 2 MB that a row may have. */
const CHUNK_BYTES = 1024 * 1024;
const DESTROYED = "longshore:destroyed";

interface Store {
  isDestroyed(): Promise<boolean>;
  destroy(): Promise<void>;
}

interface BlobStore {
  write(path: string, value: ArrayBuffer): void;
  read(path: string): ArrayBuffer[];
  remove(path: string): void;
  destroy(): Promise<void>;
}

interface Namespace<T> {
  idFromName(name: string): { toString(): string };
  get(id: unknown): T;
}

interface Env {
  readonly SHARD: Namespace<Store>;
  readonly DATABASE: Namespace<Store>;
  readonly BLOB_STORE: Namespace<BlobStore>;
}

interface Context {
  readonly exports: { D1(options: { props: { database: string } }): { fetch(request: Request): Promise<Response> } };
}

/** Stores that are known to be alive, so that only the first request of each has to ask; the whole data goes through this one process. */
const alive = new Set<string>();
/** Stores that this process was told to destroy: from that moment on, whatever is under way. */
const destroyed = new Set<string>();

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    const [kind = "", id = ""] = (request.headers.get("X-Longshore-Store") ?? "").split("/");
    if ((kind !== "kv" && kind !== "d1") || id === "") return refused(400, "The request names no store.");
    const store = `${kind}/${id}`;
    const objects = kind === "kv" ? env.SHARD : env.DATABASE;
    const objectId = objects.idFromName(id);
    if (request.headers.get("X-Longshore-Command") === "destroy") {
      destroyed.add(store);
      await objects.get(objectId).destroy();
      if (kind === "kv") await blobsOf(env, objectId.toString()).destroy();
      return new Response(null, { status: 204 });
    }
    if (!alive.has(store) && (await objects.get(objectId).isDestroyed())) destroyed.add(store);
    if (destroyed.has(store)) return refused(403, `The ${kind === "kv" ? "KV namespace" : "D1 database"} is deleted.`);
    alive.add(store);
    return kind === "kv"
      ? kv.fetch(request, env, { props: { namespace: id } })
      : ctx.exports.D1({ props: { database: id } }).fetch(request);
  },
};

export class KVNamespace extends BundledNamespace {
  async isDestroyed(): Promise<boolean> {
    return (await this.ctx.storage.get(DESTROYED)) === true;
  }

  async destroy(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.put(DESTROYED, true);
  }
}

export class D1Database extends BundledDatabase {
  async isDestroyed(): Promise<boolean> {
    return (await this.ctx.storage.get(DESTROYED)) === true;
  }

  async destroy(): Promise<void> {
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.put(DESTROYED, true);
  }
}

/** What KV takes for a disk: GET, PUT and DELETE of `<namespace>/b/<id>`. */
export class Blobs extends WorkerEntrypoint {
  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.slice(1);
    const blobs = blobsOf(this.env as Env, path.split("/")[0] ?? "");
    switch (request.method) {
      case "PUT":
        await blobs.write(path, await request.arrayBuffer());
        return new Response(null, { status: 204 });
      case "DELETE":
        await blobs.remove(path);
        return new Response(null, { status: 204 });
      default: {
        const chunks = await blobs.read(path);
        return chunks.length === 0 ? new Response(null, { status: 404 }) : new Response(new Blob(chunks));
      }
    }
  }
}

/** The large values of one namespace, in rows. */
export class BlobObject extends DurableObject {
  constructor(ctx: ConstructorParameters<typeof DurableObject>[0], env: unknown) {
    super(ctx, env);
    this.#prepare();
  }

  write(path: string, value: ArrayBuffer): void {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      this.remove(path);
      for (let at = 0, number = 0; at < value.byteLength; at += CHUNK_BYTES, number++) {
        sql.exec("INSERT INTO chunks VALUES (?, ?, ?)", path, number, value.slice(at, at + CHUNK_BYTES));
      }
    });
  }

  read(path: string): ArrayBuffer[] {
    const rows = this.ctx.storage.sql.exec("SELECT bytes FROM chunks WHERE path = ? ORDER BY number", path).toArray();
    return rows.map(({ bytes }) => bytes as ArrayBuffer);
  }

  remove(path: string): void {
    this.ctx.storage.sql.exec("DELETE FROM chunks WHERE path = ?", path);
  }

  async destroy(): Promise<void> {
    await this.ctx.storage.deleteAll();
    this.#prepare();
  }

  #prepare(): void {
    this.ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS chunks (path TEXT, number INTEGER, bytes BLOB, PRIMARY KEY (path, number)) WITHOUT ROWID",
    );
  }
}

function blobsOf(env: Env, namespace: string): BlobStore {
  return env.BLOB_STORE.get(env.BLOB_STORE.idFromName(namespace));
}

function refused(status: number, message: string): Response {
  // Not 404 or 410, which the KV binding takes for a key that is not there.
  // KV's binding shows the status text, D1's the body.
  return Response.json({ success: false, error: message }, { status, statusText: message });
}
