// An account with one of everything, and what was sent to make it: the fuzz tests' right paths and bodies.
import { randomBytes } from "node:crypto";
import { ACCOUNT, Harness, REGISTRY, scriptForm, TOKEN } from "../harness.js";

export const FOREIGN_ACCOUNT = "ffffffffffffffffffffffffffffffff";
/** What was given to keep secret: it may be in no answer at all. */
export const SECRET = "marker-never-to-be-told";
/** What the account holds, and nobody else may see. */
export const HELD = "marker-of-this-account";

/** A request that was right once: `path` is below the account. */
interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** What requests are made of: an account that has something, and who asks. */
export interface Target {
  readonly account: string;
  readonly recorded: readonly Recorded[];
  /** Tokens by what they may do. */
  readonly tokens: Readonly<Record<Caller, string | undefined>>;
}

export interface World extends Target, AsyncDisposable {
  readonly harness: Harness;
}

export const CALLERS = ["owner", "reader", "narrow", "revoked", "foreign", "garbage", "nobody"] as const;
export type Caller = (typeof CALLERS)[number];
/** Those that are nobody of this account. */
export const STRANGERS: readonly Caller[] = ["revoked", "foreign", "garbage", "nobody"];

export async function createWorld(): Promise<World> {
  const harness = await Harness.start();
  const target = await populate(harness, { account: ACCOUNT, registry: REGISTRY, owner: TOKEN });
  return { ...target, harness, [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
}

/** Makes one of everything. `account`'s registry must have the images `app:one` and `app:two`. */
export async function populate(
  api: Pick<Harness, "call">,
  { account, registry, owner }: { account: string; registry: string; owner: string },
): Promise<Target> {
  const recorded: Recorded[] = [];
  const call: Call = async (method, path, body) => {
    recorded.push({ method, path, body });
    const answer = await api.call(method, path, body);
    if (answer.success !== true) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.result;
  };
  // So that an account that has been asked for much can be given everything once more.
  const suffix = randomBytes(4).toString("hex");
  await stores(call, suffix);
  await worker(call, `site-${suffix}`);
  await containers(call, { suffix, registry, account });
  await registries(call, suffix);
  await queues(call, suffix);
  const token = async (scopes: string[]) => call("POST", "tokens", { name: "one", scopes, expires_on: null });
  const reader = await token(["all:read"]);
  const narrow = await token(["kv:write"]);
  const revoked = await token(["all:write"]);
  await call("DELETE", `tokens/${revoked.id}`);
  await call("GET", `tokens/${reader.id}`);
  const tokens = {
    owner,
    reader: reader.value,
    narrow: narrow.value,
    revoked: revoked.value,
    foreign: `ls_${randomBytes(16).toString("hex")}_${randomBytes(32).toString("base64url")}`,
    garbage: "ls_garbage",
    nobody: undefined,
  };
  return { account, recorded, tokens };
}

// biome-ignore lint/suspicious/noExplicitAny: results of many kinds
type Call = (method: string, path: string, body?: unknown) => Promise<any>;

const ANSWERS = 'export default { fetch() { return new Response("hello") } }';
const CLASS = `import { DurableObject } from "cloudflare:workers"; export class Box extends DurableObject {}; ${ANSWERS}`;

async function stores(call: Call, suffix: string): Promise<void> {
  const { id: namespace } = await call("POST", "storage/kv/namespaces", { title: `pairs-${suffix}` });
  const at = `storage/kv/namespaces/${namespace}`;
  await call("PUT", `${at}/values/key`, HELD);
  await call("PUT", `${at}/bulk`, [{ key: "b1", value: HELD, metadata: { a: 1 }, base64: false, expiration_ttl: 3600 }]);
  await call("POST", `${at}/bulk/get`, { keys: ["key"] });
  await call("GET", `${at}/keys?limit=10&prefix=k`);
  await call("GET", `${at}/metadata/key`);
  await call("PUT", at, { title: `more-pairs-${suffix}` });
  await call("POST", `${at}/bulk/delete`, ["b1"]);
  const { uuid } = await call("POST", "d1/database", { name: `db-${suffix}`, primary_location_hint: "weur" });
  await call("POST", `d1/database/${uuid}/query`, { sql: "SELECT ?", params: ["x"] });
  await call("POST", `d1/database/${uuid}/raw`, { batch: [{ sql: "SELECT ?", params: ["x"] }] });
  await call("POST", `d1/database/${uuid}/export`, { output_format: "polling", dump_options: { no_data: true } });
  await call("POST", `d1/database/${uuid}/import`, { action: "init", etag: "0".repeat(32) });
  await call("POST", "r2/buckets", { name: `objects-${suffix}`, locationHint: "weur", storageClass: "Standard" });
  await call("PUT", `r2/buckets/objects-${suffix}/objects/a%2Fb`, HELD);
  await call("GET", `r2/buckets/objects-${suffix}/objects?delimiter=/&prefix=a`);
  await bucketRules(call, `r2/buckets/objects-${suffix}`);
  const { id: store } = await call("POST", "secrets_store/stores", { name: `main-${suffix}` });
  const secrets = `secrets_store/stores/${store}/secrets`;
  const [secret] = await call("POST", secrets, [{ name: "one", value: SECRET, scopes: ["workers"], comment: "c" }]);
  await call("PATCH", `${secrets}/${secret.id}`, { value: SECRET, comment: "changed", scopes: ["workers"] });
  await call("POST", `${secrets}/${secret.id}/duplicate`, { name: "two", scopes: ["workers"], comment: "" });
}

async function bucketRules(call: Call, at: string): Promise<void> {
  const allowed = { origins: ["https://app.example"], methods: ["GET"], headers: ["x-a"] };
  await call("PUT", `${at}/cors`, { rules: [{ id: "a", allowed, exposeHeaders: ["ETag"], maxAgeSeconds: 60 }] });
  const condition = { type: "Age", maxAge: 86_400 };
  const infrequent = { condition: { type: "Date", date: "2030-01-01T00:00:00Z" }, storageClass: "InfrequentAccess" };
  const does = {
    deleteObjectsTransition: { condition },
    storageClassTransitions: [infrequent],
    abortMultipartUploadsTransition: { condition },
  };
  await call("PUT", `${at}/lifecycle`, { rules: [{ id: "a", enabled: true, conditions: { prefix: "logs/" }, ...does }] });
  const locks = [{ type: "Age", maxAgeSeconds: 60 }, { type: "Date", date: "2030-01-01" }, { type: "Indefinite" }];
  await call("PUT", `${at}/lock`, {
    rules: locks.map((each, n) => ({ id: `${n}`, enabled: true, prefix: `kept-${n}/`, condition: each })),
  });
}

async function worker(call: Call, script: string): Promise<void> {
  const bindings = [
    { type: "plain_text", name: "TEXT", text: "text" },
    { type: "json", name: "JSON", json: { a: 1 } },
    { type: "secret_text", name: "SECRET", text: SECRET },
  ];
  await call("PUT", `workers/scripts/${script}`, scriptForm({ bindings, observability: { enabled: true } }, `${ANSWERS} // ${HELD}`));
  const at = `workers/scripts/${script}`;
  await call("PUT", `${at}/secrets`, { name: "PASSWORD", text: SECRET, type: "secret_text" });
  await call("PATCH", `${at}/secrets-bulk`, { secrets: { TOKEN: { name: "TOKEN", text: SECRET, type: "secret_text" } } });
  await call("GET", `${at}/secrets/PASSWORD`);
  await call("POST", `${at}/versions`, scriptForm({ bindings, annotations: { "workers/tag": "t" } }));
  const [version] = (await call("GET", `${at}/versions`)).items;
  await call("GET", `${at}/versions/${version.id}`);
  await call("POST", `${at}/deployments`, { strategy: "percentage", versions: [{ version_id: version.id, percentage: 100 }] });
  const [deployment] = (await call("GET", `${at}/deployments`)).deployments;
  await call("GET", `${at}/deployments/${deployment.id}`);
  await call("PUT", `${at}/schedules`, [{ cron: "0 1 * * *" }]);
  await call("POST", `${at}/subdomain`, { enabled: true, previews_enabled: false });
  await call("PATCH", `${at}/script-settings`, { logpush: false, observability: { enabled: true } });
  await call("POST", `${at}/assets-upload-session`, { manifest: { "/index.html": { hash: "0".repeat(32), size: 5 } } });
  const { id: tail } = await call("POST", `${at}/tails`, { filters: [{ outcome: ["ok"] }] });
  await call("DELETE", `${at}/tails/${tail}`);
}

async function containers(call: Call, { suffix, registry, account }: Readonly<Record<string, string>>): Promise<void> {
  const script = `boxes-${suffix}`;
  const metadata = {
    bindings: [{ name: "BOX", type: "durable_object_namespace", class_name: "Box" }],
    migrations: { new_tag: "v1", steps: [{ new_sqlite_classes: ["Box"] }] },
    containers: [{ class_name: "Box" }],
  };
  await call("PUT", `workers/scripts/${script}`, scriptForm(metadata, CLASS));
  const namespaces = await call("GET", "workers/durable_objects/namespaces?per_page=1000");
  const namespace = namespaces.find((each: { script: string }) => each.script === script);
  const configuration = { image: `${registry}/${account}/app:one`, instance_type: "dev" };
  const { id } = await call("POST", "containers/applications", {
    name: `box-${suffix}`,
    scheduling_policy: "default",
    instances: 0,
    max_instances: 3,
    configuration,
    durable_objects: { namespace_id: namespace.id },
  });
  await call("PATCH", `containers/applications/${id}`, { max_instances: 5, rollout_active_grace_period: 60 });
  const rollout = await call("POST", `containers/applications/${id}/rollouts`, {
    description: "next",
    strategy: "rolling",
    kind: "full_manual",
    steps: [{ step_size: { percentage: 50 } }, { step_size: { percentage: 100 } }],
    target_configuration: { ...configuration, image: `${registry}/${account}/app:two` },
  });
  await call("POST", `containers/applications/${id}/rollouts/${rollout.id}`, { action: "revert" });
  await call("POST", `containers/registries/${registry}/credentials`, { permissions: ["push", "pull"], expiration_minutes: 5 });
}

async function registries(call: Call, suffix: string): Promise<void> {
  const [store] = await call("GET", "secrets_store/stores");
  await call("POST", `secrets_store/stores/${store.id}/secrets`, [{ name: `pull-${suffix}`, value: SECRET, scopes: ["containers"] }]);
  const auth = { public_credential: "me", private_credential: { store_id: store.id, secret_name: `pull-${suffix}` } };
  await call("POST", "containers/registries", { domain: `${suffix}.example`, is_public: false, kind: "default", auth });
  const ca = "-----BEGIN CERTIFICATE-----\n";
  await call("PUT", "containers/registries/r.example%3A5000", { user: "me", secret: SECRET, ca, insecure: true, mirror: "m.example" });
}

async function queues(call: Call, suffix: string): Promise<void> {
  const { queue_id: id } = await call("POST", "queues", { queue_name: `jobs-${suffix}`, settings: { delivery_delay: 1 } });
  await call("PATCH", `queues/${id}`, {
    queue_name: `jobs-${suffix}`,
    settings: { delivery_paused: true, message_retention_period: 345_600 },
  });
  const settings = { batch_size: 5, max_retries: 2, max_wait_time_ms: 1000, max_concurrency: 3, retry_delay: 4 };
  const consumer = { type: "worker", script_name: `site-${suffix}`, settings, dead_letter_queue: `jobs-${suffix}` };
  const { consumer_id } = await call("POST", `queues/${id}/consumers`, consumer);
  await call("PUT", `queues/${id}/consumers/${consumer_id}`, consumer);
  await call("POST", `queues/${id}/purge`, { delete_messages_permanently: true });
}
