import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Bucket } from "@longshore/contract";
import { type Authorize, authenticate, checkAllowed, type Need } from "./access.js";
import { AccountUsage } from "./account-usage.js";
import { Admission } from "./admission.js";
import { BlobRoutes } from "./blob-routes.js";
import { BlobStore } from "./blob-store.js";
import { serveCatalog } from "./catalog-routes.js";
import { Collector, type ImagesInUse } from "./collector.js";
import { errorAnswer, RegistryError } from "./errors.js";
import { type Exchange, sendJson, sendJsonEarly } from "./http.js";
import { ManifestRoutes } from "./manifest-routes.js";
import { ManifestStore } from "./manifest-store.js";
import { Protection } from "./protection.js";
import { parsePath, type Target } from "./routes.js";
import { UploadRoutes } from "./upload-routes.js";
import { UploadStore } from "./upload-store.js";

const HOUR_MS = 3_600_000;
/** What Cloudflare gives an account. */
const ACCOUNT_LIMIT_BYTES = 50e9;

/** One thing worth knowing that happened in the registry. */
export interface RegistryEvent {
  readonly level: "info" | "error";
  readonly message: string;
  readonly error?: unknown;
}

export interface RegistryOptions {
  readonly bucket: Bucket;
  /** Local directory for unfinished uploads; on the bucket's file system, if that is a directory, finished ones need no copy. */
  readonly uploadsDirectory: string;
  readonly authorize: Authorize;
  readonly log: (event: RegistryEvent) => void;
  /** Without it untagged images are never collected. */
  readonly inUse?: () => Promise<ImagesInUse>;
  /** How many bytes the images of one account may take, each blob counted once; 50 GB by default. */
  readonly accountLimitBytes?: number;
  /** How long the garbage collector leaves alone what a push may rely on; an hour by default. */
  readonly gracePeriodMs?: number;
  /** How long an upload may pause before it is discarded; a day by default. */
  readonly uploadExpiryMs?: number;
}

/** What one request to one route does, and what the caller must be allowed. */
interface Action {
  readonly need: Need;
  run(exchange: Exchange): Promise<void>;
}

/** An image registry (OCI distribution 1.1, and what Docker and wrangler ask beyond it) over a bucket. Disposing stops its housekeeping. */
export class Registry implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #blobRoutes: BlobRoutes;
  readonly #uploads: UploadStore;
  readonly #uploadRoutes: UploadRoutes;
  readonly #manifestRoutes: ManifestRoutes;
  readonly #collector: Collector;
  readonly #housekeeping: NodeJS.Timeout;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const protection = new Protection(options.gracePeriodMs ?? HOUR_MS);
    const usage = new AccountUsage(options.bucket, options.accountLimitBytes ?? ACCOUNT_LIMIT_BYTES);
    const manifests = new ManifestStore(options.bucket, protection, usage);
    const blobs = new BlobStore(options.bucket, protection, usage);
    this.#blobRoutes = new BlobRoutes(blobs, manifests);
    this.#uploads = new UploadStore(options.uploadsDirectory);
    this.#uploadRoutes = new UploadRoutes(this.#uploads, blobs);
    this.#manifestRoutes = new ManifestRoutes(manifests, new Admission(blobs, manifests));
    this.#collector = new Collector({ bucket: options.bucket, manifests, protection, usage, inUse: options.inUse });
    this.#housekeeping = setInterval(() => void this.cleanUp(), HOUR_MS).unref();
  }

  /** Answers one request under `/v2/`. Never rejects: failures are answered and, when they are ours, logged. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      res.setHeader("docker-distribution-api-version", "registry/2.0");
      await this.#answer(req, res);
    } catch (error) {
      this.#answerError(req, res, error);
    }
  }

  /** Discards expired uploads and collects garbage. Done every hour; failures are logged. */
  async cleanUp(): Promise<void> {
    try {
      const expired = await this.#uploads.sweep(this.#options.uploadExpiryMs ?? 24 * HOUR_MS);
      if (expired > 0) this.#log("info", `Discarded ${expired} unfinished uploads that nobody went on with.`);
      await this.#collect();
    } catch (error) {
      this.#options.log({ level: "error", message: "Cleaning up the registry failed.", error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#housekeeping);
    await this.#collector.idle();
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const access = await authenticate(req, this.#options.authorize);
    // Not `new URL`: it would resolve "..", and a name with that must be refused.
    const [path = "", query = ""] = (req.url ?? "").split("?", 2);
    const target = parsePath(path);
    if (target === undefined) throw new RegistryError("UNSUPPORTED", `The registry has no ${path}.`, { status: 404 });
    const actions = this.#actions(target);
    const action = actions[req.method ?? ""];
    if (action === undefined) {
      const allow = Object.keys(actions).join(", ");
      throw new RegistryError("UNSUPPORTED", `The registry cannot ${req.method} ${path}.`, { status: 405, headers: { allow } });
    }
    checkAllowed(access, action.need, "repository" in target ? target.repository : undefined);
    await action.run({ req, res, access, query: new URLSearchParams(query) });
  }

  /** The whole interface: method by method what can be done to a target. */
  #actions(target: Target): Record<string, Action> {
    const blobs = this.#blobRoutes;
    const uploads = this.#uploadRoutes;
    const manifests = this.#manifestRoutes;
    switch (target.kind) {
      case "base":
        return both({ need: "any", run: async ({ res }) => sendJson(res, 200, {}) });
      case "catalog":
        return both({ need: "pull", run: (exchange) => serveCatalog(this.#options.bucket, exchange) });
      case "gc":
        return { PUT: { need: "push", run: async ({ res }) => sendJson(res, 200, { collected: await this.#collect() }) } };
      case "tags":
        return both({ need: "pull", run: (exchange) => manifests.tags(target.repository, exchange) });
      case "referrers":
        return both({ need: "pull", run: (exchange) => manifests.referrers(target, exchange) });
      case "blob":
        return {
          ...both({ need: "pull", run: (exchange) => blobs.serve(target, exchange) }),
          DELETE: { need: "push", run: (exchange) => blobs.delete(target, exchange) },
        };
      case "uploads":
        return { POST: { need: "push", run: (exchange) => uploads.begin(target.repository, exchange) } };
      case "upload":
        return {
          GET: { need: "push", run: (exchange) => uploads.status(target, exchange) },
          PATCH: { need: "push", run: (exchange) => uploads.patch(target, exchange) },
          PUT: { need: "push", run: (exchange) => uploads.finish(target, exchange) },
          DELETE: { need: "push", run: (exchange) => uploads.cancel(target, exchange) },
        };
      case "manifest":
        return {
          ...both({ need: "pull", run: (exchange) => manifests.serve(target, exchange) }),
          PUT: { need: "push", run: (exchange) => this.#putManifest(target, exchange) },
          DELETE: { need: "push", run: (exchange) => manifests.delete(target, exchange) },
        };
    }
  }

  async #putManifest(target: Extract<Target, { kind: "manifest" }>, exchange: Exchange): Promise<void> {
    const digest = await this.#manifestRoutes.put(target, exchange);
    const name = target.reference.tag === undefined ? target.repository : `${target.repository}:${target.reference.tag}`;
    this.#log("info", `Image ${name} was pushed: ${digest}.`);
  }

  async #collect(): ReturnType<Collector["collect"]> {
    const collected = await this.#collector.collect();
    if (collected.blobs > 0) this.#log("info", `Collected ${collected.blobs} blobs that no image needs, ${collected.bytes} bytes.`);
    return collected;
  }

  #answerError(req: IncomingMessage, res: ServerResponse, thrown: unknown): void {
    // A client that went away gets no answer, and is no failure of ours.
    if (req.socket.destroyed || res.destroyed) return;
    const { status, headers, body, error } = errorAnswer(thrown, `${req.method} ${req.url}`);
    if (status >= 500) this.#options.log({ level: "error", message: `The registry could not ${req.method} ${req.url}.`, error });
    if (res.headersSent) {
      res.destroy(error);
      return;
    }
    // Docker, skopeo and buildah show the body of a 4xx, but of a 5xx only the status line.
    if (status >= 500) res.statusMessage = statusLine(status, error.text);
    sendJsonEarly(req, res, status, body, headers);
  }

  #log(level: RegistryEvent["level"], message: string): void {
    this.#options.log({ level, message });
  }
}

/** A registry over `options.bucket`; give its {@link Registry.handle} the requests. Writes nothing before the first push. */
export function createRegistry(options: RegistryOptions): Registry {
  return new Registry(options);
}

function both(action: Action): Record<string, Action> {
  return { GET: action, HEAD: action };
}

function statusLine(status: number, text: string): string {
  return `${STATUS_CODES[status] ?? "Error"}: ${text.replace(/[^\x20-\x7e]/g, " ")}`;
}
