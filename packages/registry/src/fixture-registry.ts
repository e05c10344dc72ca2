// A registry on a free port, for the tests of this package.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryBucket } from "@longshore/bucket";
import type { Access } from "./http.js";
import { type ListenOptions, listenTlsAndPlain } from "./listen.js";
import { createRegistry, type Registry, type RegistryEvent, type RegistryOptions } from "./registry.js";

export const ACCOUNT = "0123456789abcdef0123456789abcdef";
export const PASSWORD = "correct-horse";

/** User names of the test registry and what they may do. */
const USERS: Record<string, Access> = {
  v1: { repositoryPrefix: ACCOUNT, push: true, pull: true },
  reader: { repositoryPrefix: ACCOUNT, push: false, pull: true },
  other: { repositoryPrefix: "ffffffffffffffffffffffffffffffff", push: true, pull: true },
  admin: { repositoryPrefix: undefined, push: true, pull: true },
};

export interface TestRegistry extends AsyncDisposable {
  readonly root: string;
  readonly port: number;
  readonly url: string;
  readonly registry: Registry;
  readonly bucket: DirectoryBucket;
  readonly events: RegistryEvent[];
  /** `METHOD path` of all that was asked of it. */
  readonly requests: string[];
  /** `fetch` as user `v1`, or another. `path` is under `/v2/`. */
  request(path: string, init?: RequestInit & { user?: string }): Promise<Response>;
  /** Stops it as a restart does, keeping the data. */
  stop(): Promise<void>;
}

export type TestOptions = Partial<Pick<RegistryOptions, "inUse" | "gracePeriodMs" | "uploadExpiryMs" | "accountLimitBytes">> & {
  root?: string;
  tls?: ListenOptions["tls"];
};

export async function startRegistry(options: TestOptions = {}): Promise<TestRegistry> {
  const { root: given, tls, ...rest } = options;
  const root = given ?? (await mkdtemp(join(tmpdir(), "longshore-registry-")));
  const bucket = await DirectoryBucket.open(join(root, "bucket"));
  const events: RegistryEvent[] = [];
  const registry = createRegistry({
    bucket,
    uploadsDirectory: join(root, "uploads"),
    authorize: async (username, password) => (password === PASSWORD ? USERS[username] : undefined),
    log: (event) => events.push(event),
    ...rest,
  });
  const requests: string[] = [];
  const handler: ListenOptions["handler"] = (req, res) => {
    requests.push(`${req.method} ${req.url}`);
    return registry.handle(req, res);
  };
  const listening = await listenTlsAndPlain({ host: "127.0.0.1", port: 0, tls, handler });
  const url = `http://127.0.0.1:${listening.port}/v2/`;
  const stop = async (): Promise<void> => {
    await listening.close();
    await registry[Symbol.asyncDispose]();
  };
  return {
    root,
    port: listening.port,
    url,
    registry,
    bucket,
    events,
    requests,
    stop,
    request: (path, { user = "v1", ...init } = {}) =>
      fetch(new URL(path, url), {
        ...init,
        headers: { authorization: basic(user), ...(init.headers as Record<string, string> | undefined) },
      }),
    async [Symbol.asyncDispose]() {
      await stop();
      if (given === undefined) await rm(root, { recursive: true, force: true });
    },
  };
}

export function basic(user: string, password = PASSWORD): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

export function digestOf(bytes: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The `code` and `message` of an answer's first error. */
export async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const body = (await response.json()) as { errors: [{ code: string; message: string }] };
  return { status: response.status, code: body.errors[0].code, message: body.errors[0].message };
}

/** Unfinished uploads and half-written objects; each test that fails a push checks that there are none. */
export async function leftovers(root: string): Promise<string[]> {
  const uploads = await readdir(join(root, "uploads")).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return [...uploads, ...(await readdir(join(root, "bucket", "temporary")))];
}

export async function keysOf(bucket: DirectoryBucket, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of bucket.list(prefix)) keys.push(key);
  return keys;
}

/** Pushes a blob in one request. */
export async function pushBlob(
  on: TestRegistry,
  repository: string,
  bytes: Uint8Array = randomBytes(100),
): Promise<{ digest: string; size: number }> {
  const digest = digestOf(bytes);
  const response = await on.request(`${repository}/blobs/uploads/?digest=${digest}`, { method: "POST", body: Buffer.from(bytes) });
  if (response.status !== 201) throw new Error(`pushing a blob: ${response.status} ${await response.text()}`);
  return { digest, size: bytes.length };
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

export interface PushedImage {
  readonly digest: string;
  readonly size: number;
  readonly config: string;
  readonly layers: readonly string[];
  readonly manifest: string;
}

/** Pushes an image with one random layer, by `reference` or by its digest. */
export async function pushImage(
  on: TestRegistry,
  repository: string,
  { reference, architecture = "amd64", extra = {} }: { reference?: string; architecture?: string; extra?: object } = {},
): Promise<PushedImage> {
  const layer = await pushBlob(on, repository);
  const config = await pushBlob(
    on,
    repository,
    Buffer.from(JSON.stringify({ os: "linux", architecture, nonce: randomBytes(4).toString("hex") })),
  );
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...config },
    layers: [{ mediaType: OCI_LAYER, ...layer }],
    ...extra,
  });
  const digest = digestOf(manifest);
  const response = await putManifest(on, repository, reference ?? digest, manifest);
  if (response.status !== 201) throw new Error(`pushing a manifest: ${response.status} ${await response.text()}`);
  return { digest, size: manifest.length, config: config.digest, layers: [layer.digest], manifest };
}

export function putManifest(
  on: TestRegistry,
  repository: string,
  reference: string,
  manifest: string,
  type = OCI_MANIFEST,
): Promise<Response> {
  return on.request(`${repository}/manifests/${reference}`, { method: "PUT", headers: { "content-type": type }, body: manifest });
}
