import { createHash } from "node:crypto";
import { type AppDirectory, appDirectory, type Platform } from "@longshore/testkit";
import { valueFor, writeOf } from "./values.js";

/** Something that acknowledges writes. `write` throws when one was not acknowledged; `read` resolves to the write that is there. */
export interface Store {
  readonly name: string;
  /** How many places of it are written. */
  readonly places: number;
  write(place: string, n: number): Promise<void>;
  read(place: string): Promise<number | undefined>;
}

const REQUEST_DEADLINE_MS = 20_000;
/** Where KV's values go to another table, and where a blob has several chunks. */
const LARGE = 1_500_000;
const LARGE_ROW = 100_000;

const CODE = `
import { DurableObject } from "cloudflare:workers";
export class Box extends DurableObject {
  put(place, value) { this.ctx.storage.put(place, value); }
  get(place) { return this.ctx.storage.get(place); }
}
const stores = {
  kv: { put: (env, place, value) => env.KV.put(place, value), get: (env, place) => env.KV.get(place) },
  d1: {
    put: (env, place, value) => env.DB.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)").bind(place, value).run(),
    get: (env, place) => env.DB.prepare("SELECT value FROM t WHERE place = ?").bind(place).first("value"),
  },
  object: {
    put: (env, place, value) => env.BOX.get(env.BOX.idFromName(place)).put(place, value),
    get: (env, place) => env.BOX.get(env.BOX.idFromName(place)).get(place),
  },
  r2: { put: (env, place, value) => env.BUCKET.put(place, value), get: async (env, place) => (await env.BUCKET.get(place))?.text() },
};
export default { async fetch(request, env) {
  const [, kind, place] = new URL(request.url).pathname.split("/");
  const { put, get } = stores[kind];
  if (request.method === "PUT") { await put(env, place, await request.text()); return new Response("written"); }
  const value = await get(env, place);
  return value == null ? new Response(null, { status: 404 }) : new Response(value);
} };`;

/** Deploys what writes, and resolves to every kind of store. The directory is the caller's to dispose. */
export async function prepareStores(platform: Platform): Promise<{ stores: Store[]; app: AppDirectory }> {
  const api = new Api(platform);
  const kv = String(((await api.json("POST", "storage/kv/namespaces", { title: "crash" })) as { id: string }).id);
  const d1 = String(((await api.json("POST", "d1/database", { name: "crash" })) as { uuid: string }).uuid);
  await api.json("POST", "r2/buckets", { name: "crash" });
  await api.json("POST", `d1/database/${d1}/query`, { sql: "CREATE TABLE t (place TEXT PRIMARY KEY, value TEXT)" });
  const config = {
    ...{ name: "crash", main: "index.js", compatibility_date: "2026-01-01" },
    kv_namespaces: [{ binding: "KV", id: kv }],
    d1_databases: [{ binding: "DB", database_name: "crash", database_id: d1 }],
    r2_buckets: [{ binding: "BUCKET", bucket_name: "crash" }],
    durable_objects: { bindings: [{ name: "BOX", class_name: "Box" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Box"] }],
  };
  const app = appDirectory({ files: { "index.js": CODE, "wrangler.json": JSON.stringify(config) } });
  await platform.deploy(app.path);
  await api.publish("crash-deploy-0", deployedCode(0));
  await api.publish(
    "crash-secrets",
    "export default { fetch(r, env) { return new Response(env[new URL(r.url).pathname.slice(1)] ?? '') } }",
  );
  const worker = ["kv", "d1", "object", "r2"].map((kind) => new WorkerStore(platform, kind));
  const others = [
    new KvStore(api, kv),
    new DatabaseStore(api, d1),
    new ObjectsStore(api),
    new SecretsStore(api),
    new DeployStore(api),
    new ImageStore(api),
  ];
  return { stores: [...worker, ...others], app };
}

class Api {
  constructor(readonly platform: Platform) {}

  async request(method: string, path: string, body?: string | FormData, type = "application/octet-stream"): Promise<Response> {
    const { apiUrl, accountId, token } = this.platform.presence;
    const response = await fetch(`${apiUrl}/accounts/${accountId}/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(typeof body === "string" ? { "content-type": type } : {}) },
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      ...(body === undefined ? {} : { body }),
    });
    if (response.ok || response.status === 404) return response;
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }

  async json(method: string, path: string, body: unknown): Promise<unknown> {
    const response = await this.request(method, path, JSON.stringify(body), "application/json");
    const { success, result } = (await response.json()) as { success: boolean; result: unknown };
    if (!success) throw new Error(`${method} ${path} was refused.`);
    return result;
  }

  /** Deploys, and switches the Worker's address on. */
  async publish(script: string, code: string): Promise<void> {
    await this.deploy(script, code);
    await this.json("POST", `workers/scripts/${script}/subdomain`, { enabled: true });
  }

  async deploy(script: string, code: string): Promise<void> {
    const form = new FormData();
    form.set("metadata", JSON.stringify({ main_module: "index.js", compatibility_date: "2026-01-01" }));
    form.set("index.js", new File([code], "index.js", { type: "application/javascript+module" }));
    await this.request("PUT", `workers/scripts/${script}`, form);
  }
}

/** Through the Worker's bindings. */
class WorkerStore implements Store {
  readonly name: string;
  readonly places = 5;
  readonly #large: number;

  constructor(
    readonly platform: Platform,
    readonly kind: string,
  ) {
    this.name = `${kind} of a Worker`;
    this.#large = kind === "d1" || kind === "object" ? LARGE_ROW : LARGE;
  }

  async write(place: string, n: number): Promise<void> {
    const answer = await this.platform.fetch("crash", this.#path(place), { method: "PUT", body: valueFor(n, this.#large) });
    if ((await answer.text()) !== "written") throw new Error(`It answered ${answer.status}.`);
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.platform.fetch("crash", this.#path(place));
    const text = await answer.text();
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return writeOf(text);
    throw new Error(`${this.name}: ${answer.status} ${text}`);
  }

  #path(place: string): string {
    return `/${this.kind}/worker-${place}`;
  }
}

/** A store of text at a path of the API. */
abstract class TextStore implements Store {
  abstract readonly name: string;
  readonly places = 5;

  constructor(
    readonly api: Api,
    readonly path: string,
  ) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.request("PUT", `${this.path}/api-${place}`, valueFor(n, LARGE));
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.api.request("GET", `${this.path}/api-${place}`);
    return answer.status === 404 ? undefined : writeOf(await answer.text());
  }
}

class KvStore extends TextStore {
  readonly name = "KV";

  constructor(api: Api, namespace: string) {
    super(api, `storage/kv/namespaces/${namespace}/values`);
  }
}

class ObjectsStore extends TextStore {
  readonly name = "R2";

  constructor(api: Api) {
    super(api, "r2/buckets/crash/objects");
  }
}

class DatabaseStore implements Store {
  readonly name = "D1";
  readonly places = 5;

  constructor(
    readonly api: Api,
    readonly id: string,
  ) {}

  async write(place: string, n: number): Promise<void> {
    await this.#query("INSERT OR REPLACE INTO t VALUES (?, ?)", [`api-${place}`, valueFor(n, LARGE_ROW)]);
  }

  async read(place: string): Promise<number | undefined> {
    const [row] = await this.#query("SELECT value FROM t WHERE place = ?", [`api-${place}`]);
    return row === undefined ? undefined : writeOf(row.value);
  }

  async #query(sql: string, params: readonly string[]): Promise<{ value: string }[]> {
    const [answer] = (await this.api.json("POST", `d1/database/${this.id}/query`, { sql, params })) as { results: { value: string }[] }[];
    return answer?.results ?? [];
  }
}

class SecretsStore implements Store {
  readonly name = "secrets";
  readonly places = 2;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.json("PUT", "workers/scripts/crash-secrets/secrets", {
      name: `S${place}`,
      text: valueFor(n, 4_000),
      type: "secret_text",
    });
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.api.platform.fetch("crash-secrets", `/S${place}`);
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`The Worker answered ${answer.status} ${text}`);
    return text === "" ? undefined : writeOf(text);
  }
}

class DeployStore implements Store {
  readonly name = "deploys";
  readonly places = 1;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.deploy(`crash-deploy-${place}`, deployedCode(n));
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.api.platform.fetch(`crash-deploy-${place}`, "/");
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`The Worker answered ${answer.status} ${text}`);
    // The one that was there before the first write is none.
    return writeOf(text) || undefined;
  }
}

function deployedCode(n: number): string {
  return `export default { fetch() { return new Response(${JSON.stringify(valueFor(n, 200_000))}) } }`;
}

class ImageStore implements Store {
  readonly name = "images";
  readonly places = 3;

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    const layer = await this.#push(valueFor(n, LARGE));
    const config = await this.#push(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer.digest] }, n }),
    );
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPE,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
    });
    await this.#request("PUT", `manifests/t${place}`, manifest, TYPE);
  }

  async read(place: string): Promise<number | undefined> {
    const found = await this.#request("GET", `manifests/t${place}`);
    if (found.status === 404) return undefined;
    const manifest = (await found.json()) as { layers: [{ digest: string }] };
    const { digest } = manifest.layers[0];
    const text = await (await this.#request("GET", `blobs/${digest}`)).text();
    if (digestOf(text) !== digest) throw new Error(`The blob ${digest} has other bytes.`);
    return writeOf(text);
  }

  async #push(content: string): Promise<{ digest: string; size: number }> {
    const digest = digestOf(content);
    const begun = await this.#request("POST", "blobs/uploads/");
    const place = new URL(begun.headers.get("location") ?? "", this.#base);
    place.searchParams.set("digest", digest);
    await this.#request("PUT", place.href, content);
    return { digest, size: content.length };
  }

  get #base(): string {
    const { registryHost, accountId } = this.api.platform.presence;
    return `http://${registryHost}/v2/${accountId}/crash/`;
  }

  async #request(method: string, path: string, body?: string, type = "application/octet-stream"): Promise<Response> {
    const authorization = `Basic ${Buffer.from(`v1:${this.api.platform.presence.token}`).toString("base64")}`;
    const response = await fetch(new URL(path, this.#base), {
      method,
      headers: { authorization, "content-type": type, accept: TYPE },
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
      ...(body === undefined ? {} : { body }),
    });
    if (response.ok || (response.status === 404 && method === "GET")) return response;
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }
}

const TYPE = "application/vnd.oci.image.manifest.v1+json";

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
