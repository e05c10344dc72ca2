import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { DirectoryBucket } from "@longshore/bucket";
import type { PublishedScript } from "@longshore/contract";
import { R2Storage } from "@longshore/r2";
import { createApp } from "../app.js";
import { type Control, createControl } from "../control.js";
import { isActive } from "../model/rollout.js";
import type { ControlOptions } from "../options.js";
import { wireServices } from "../services/services.js";
import { ApiTokens } from "../state/api-tokens.js";
import { Store } from "../state/store.js";
import { MemoryKeyValues, RecordingDatabases, RecordingQueues } from "./memory-stores.js";
import { digestOf, FakeRegistry, RecordingEngine, RecordingTraffic, RecordingWorkers, until } from "./recording.js";

export const ACCOUNT = "0123456789abcdef0123456789abcdef";
export const TOKEN = "test-token";
export const REGISTRY = "127.0.0.1:5999";

export interface Answer {
  readonly status: number;
  readonly success: boolean;
  readonly errors: { code: number; message: string }[];
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is looked at field by field in the tests
  readonly result: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly result_info?: any;
}

/** A control plane over a real bucket in a temporary directory, served on a free port of the loopback interface. */
export class Harness implements AsyncDisposable {
  readonly engine = new RecordingEngine();
  readonly workers = new RecordingWorkers();
  readonly keyValues = new MemoryKeyValues();
  readonly databases = new RecordingDatabases();
  readonly queues = new RecordingQueues();
  readonly traffic = new RecordingTraffic();
  readonly registry = new FakeRegistry();
  /** What the edge was told last. */
  published: readonly PublishedScript[] = [];
  readonly logged: string[] = [];
  /** How long rollouts watch new instances. */
  readonly watchMs = 300;
  /** How much later than it is it seems to be, in milliseconds. */
  aheadMs = 0;
  readonly directory: string;
  #objects: R2Storage | undefined;
  /** The applications as they were when no rollout moved. */
  #atRest = "";
  readonly secretsKey = randomBytes(32);
  #bucket: DirectoryBucket;
  #control: Control;
  #url = "";
  #close: () => Promise<void> = async () => undefined;

  private constructor(directory: string, bucket: DirectoryBucket) {
    this.directory = directory;
    this.#bucket = bucket;
    this.#control = createControl(this.#options(bucket));
    this.registry.add(`${ACCOUNT}/app:one`, digestOf("a"));
    this.registry.add(`${ACCOUNT}/app:two`, digestOf("b"));
  }

  static async start(): Promise<Harness> {
    const directory = await mkdtemp(join(tmpdir(), "longshore-control-"));
    const harness = new Harness(directory, await DirectoryBucket.open(join(directory, "bucket")));
    await harness.#listen();
    return harness;
  }

  /** `http://127.0.0.1:<port>/client/v4` */
  get url(): string {
    return this.#url;
  }

  /** R2, over the same bucket. */
  get objects(): R2Storage {
    return this.#objects ?? assert.fail("the harness has not started");
  }

  get control(): Control {
    return this.#control;
  }

  /** The process is gone and another one starts on the same bucket, key, engine and workers. */
  async restart(): Promise<void> {
    await this.#control[Symbol.asyncDispose]();
    this.#bucket = await DirectoryBucket.open(join(this.directory, "bucket"));
    this.#control = createControl(this.#options(this.#bucket));
  }

  /** Every route of the API. */
  async routes(): Promise<{ method: string; path: string }[]> {
    const services = wireServices(this.#options(this.#bucket));
    return createApp(services).routes;
  }

  /** All that requests can change, as texts that differ when it does; once what they have set in motion is at rest. */
  async state(): Promise<string[]> {
    let objects = await this.#objectTexts();
    const applications = () => objects.filter((text) => text.startsWith("control/applications/")).join();
    if (applications() !== this.#atRest) {
      // A rollout goes on after the request that began it was answered.
      await until(
        async () =>
          !(await new Store(this.#bucket).applications.all()).some(({ rollouts }) =>
            rollouts.some((each) => isActive(each) && each.moving),
          ),
      );
      objects = await this.#objectTexts();
      this.#atRest = applications();
    }
    const running = [...this.workers.running].map(([script, { version }]) => `${script} runs ${version.id}`);
    return [...objects, ...running, ...this.keyValues.state(), `${this.databases.statements.length} statements`];
  }

  /** A request to the API; `path` is relative to the account unless it begins with a slash. */
  async call(method: string, path: string, body?: unknown, token = TOKEN): Promise<Answer> {
    const url = this.#url + (path.startsWith("/") ? path : `/accounts/${ACCOUNT}/${path}`);
    const isForm = body instanceof FormData;
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined || isForm ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: isForm ? body : typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: response.status, ...((await response.json()) as Omit<Answer, "status">) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#control[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #objectTexts(): Promise<string[]> {
    const texts: string[] = [];
    for await (const { key, etag } of this.#bucket.list("")) texts.push(`${key} ${etag}`);
    return texts;
  }

  #options(bucket: DirectoryBucket): ControlOptions {
    const log = (message: string, facts?: unknown): void => {
      this.logged.push(
        `${message} ${facts === undefined ? "" : JSON.stringify(facts, (_key, value) => (value instanceof Error ? value.stack : value))}`,
      );
    };
    const clock = () => Date.now() + this.aheadMs;
    this.#objects?.[Symbol.dispose]();
    this.#objects = new R2Storage({ bucket, log: { error: log }, sweeping: false });
    return {
      bucket,
      accountId: ACCOUNT,
      accountName: "Test account",
      subdomain: "harbour",
      registryHost: REGISTRY,
      secretsKey: this.secretsKey,
      tokens: new ApiTokens({ bucket, accountId: ACCOUNT, secretsKey: this.secretsKey, ownerToken: TOKEN, clock }),
      clock,
      mintRegistryPassword: async (grant) => `password for ${grant.permissions.join("+")} for ${grant.expirationMinutes} minutes`,
      images: this.registry,
      engine: this.engine,
      workers: this.workers,
      keyValues: this.keyValues,
      databases: this.databases,
      queues: this.queues,
      objects: this.#objects,
      traffic: this.traffic,
      rollouts: { drainMs: 0, watchMs: this.watchMs, onCrash: "stop" },
      publish: (scripts) => {
        this.published = scripts;
      },
      shells: {
        accept() {
          throw new Error("No shell is served here.");
        },
      },
      log: { info: log, warn: log, error: log },
    };
  }

  async #listen(): Promise<void> {
    const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
      const started = serve({ fetch: (request) => this.#control.fetch(request), port: 0, hostname: "127.0.0.1" }, () => resolve(started));
    });
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`;
    this.#close = () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      });
  }
}

/** An upload as clients send it. */
export function scriptForm(
  metadata: Record<string, unknown>,
  code = "export default { fetch() { return new Response('hello') } }",
): FormData {
  const form = new FormData();
  form.set("metadata", JSON.stringify({ main_module: "index.js", compatibility_date: "2026-01-01", ...metadata }));
  form.set("index.js", new File([code], "index.js", { type: "application/javascript+module" }));
  return form;
}

/** An upload of a Worker with one container class. */
export function containerForm(changes: Record<string, unknown> = {}): FormData {
  return scriptForm({
    bindings: [{ name: "BOX", type: "durable_object_namespace", class_name: "Box" }],
    migrations: { new_tag: "v1", steps: [{ new_sqlite_classes: ["Box"] }] },
    containers: [{ class_name: "Box" }],
    ...changes,
  });
}
