import { type AppDirectory, appDirectory, type Platform } from "@longshore/testkit";
import { Api } from "./api.js";
import { DatabaseStore, FIRST_SECRET, KvStore, ObjectsStore, SharedSecretStore, TokenStore } from "./api-stores.js";
import { ImageStore } from "./image-store.js";
import { QUEUE_SETTINGS, QUEUES, QueueStore } from "./queue-stores.js";
import { S3Store, S3UploadStore, s3Client } from "./s3-stores.js";
import { AddressStore, CronStore, DeployStore, deployedCode, SecretsStore } from "./script-stores.js";
import type { Store } from "./store.js";
import { CODE, WorkerStore } from "./worker-stores.js";

export interface StoresOptions {
  /** Without: messages stay in their queues. */
  readonly consumers?: boolean;
}

/** Deploys what writes, and resolves to every kind of store. The directory is the caller's to dispose. */
export async function prepareStores(
  platform: Platform,
  { consumers = true }: StoresOptions = {},
): Promise<{ stores: Store[]; app: AppDirectory }> {
  const api = new Api(platform);
  const kv = String(((await api.json("POST", "storage/kv/namespaces", { title: "crash" })) as { id: string }).id);
  const d1 = String(((await api.json("POST", "d1/database", { name: "crash" })) as { uuid: string }).uuid);
  await api.json("POST", "r2/buckets", { name: "crash" });
  await api.json("POST", `d1/database/${d1}/query`, { sql: "CREATE TABLE t (place TEXT PRIMARY KEY, value TEXT)" });
  for (const queue_name of Object.values(QUEUES)) await api.json("POST", "queues", { queue_name });
  const secrets = await sharedSecrets(api);
  const config = {
    ...{ name: "crash", main: "index.js", compatibility_date: "2026-01-01" },
    kv_namespaces: [{ binding: "KV", id: kv }],
    d1_databases: [{ binding: "DB", database_name: "crash", database_id: d1 }],
    r2_buckets: [{ binding: "BUCKET", bucket_name: "crash" }],
    queues: consumers ? QUEUE_SETTINGS : { producers: QUEUE_SETTINGS.producers },
    secrets_store_secrets: secrets.map(({ store_id, secret_name }, n) => ({ binding: `SECRET_${n}`, store_id, secret_name })),
    durable_objects: { bindings: [{ name: "BOX", class_name: "Box" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Box"] }],
  };
  const app = appDirectory({ files: { "index.js": CODE, "wrangler.json": JSON.stringify(config) } });
  await platform.deploy(app.path);
  await api.publish("crash-deploy-0", deployedCode(0));
  await api.publish("crash-cron", "export default { fetch() { return new Response() }, scheduled() {} }");
  await api.publish(
    "crash-secrets",
    "export default { fetch(r, env) { return new Response(env[new URL(r.url).pathname.slice(1)] ?? '') } }",
  );
  const s3 = await s3Client(api);
  const worker = ["kv", "d1", "object", "r2"].map((kind) => new WorkerStore(platform, kind));
  const others = [
    new KvStore(api, kv),
    new DatabaseStore(api, d1),
    new ObjectsStore(api),
    new S3Store(s3),
    new S3UploadStore(s3),
    new QueueStore(platform, api, "jobs", [QUEUES.jobs]),
    new QueueStore(platform, api, "refused", [QUEUES.refused, QUEUES.dead]),
    new SecretsStore(api),
    new SharedSecretStore(
      api,
      secrets.map(({ path }) => path),
    ),
    new TokenStore(api),
    new DeployStore(api),
    new AddressStore(api),
    new CronStore(api),
    new ImageStore(api),
  ];
  return { stores: [...worker, ...others], app };
}

async function sharedSecrets(api: Api): Promise<{ store_id: string; secret_name: string; path: string }[]> {
  const { id: store_id } = (await api.json("POST", "secrets_store/stores", { name: "crash" })) as { id: string };
  const at = `secrets_store/stores/${store_id}/secrets`;
  const wanted = ["crash-0", "crash-1"].map((name) => ({ name, value: FIRST_SECRET, scopes: ["workers"] }));
  const made = (await api.json("POST", at, wanted)) as { id: string; name: string }[];
  return made.map(({ id, name }) => ({ store_id, secret_name: name, path: `${at}/${id}` }));
}
