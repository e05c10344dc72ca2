// Only for the tests beside it.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { WorkerBinding, WorkerModule, WorkerTarget, WorkerVersion } from "@longshore/contract";
import { createWorkerHost } from "./host.js";
import type { RunningWorkerHost, WorkerHostOptions } from "./host-options.js";

/** 32 hex digits that depend on the name only. */
export const hexId = (name: string): string => createHash("sha256").update(name).digest("hex").slice(0, 32);

export const COUNTER_ID = hexId("Counter");

/** A Worker with a SQLite counter; `marker` tells versions apart. */
export const counterCode = (marker: string): string => `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  constructor(ctx, env) { super(ctx, env); ctx.storage.sql.exec("create table if not exists t (n integer)"); }
  fetch() {
    this.ctx.storage.sql.exec("insert into t values (1)");
    return new Response(String(this.ctx.storage.sql.exec("select count(*) as n from t").one().n));
  }
}
export default { fetch(request, env) {
  if (new URL(request.url).pathname === "/count") return env.COUNTER.get(env.COUNTER.idFromName("one")).fetch(request);
  return new Response(${JSON.stringify(marker)});
} };`;

export const envCode = "export default { fetch: (request, env) => Response.json(env) };";

/** Module bytes by key, as the bucket would give them. */
export class Modules {
  readonly #bytes = new Map<string, Buffer>();

  readonly read = async (key: string): Promise<Buffer> => {
    const bytes = this.#bytes.get(key);
    if (bytes === undefined) throw new Error(`no module ${key}`);
    return bytes;
  };

  add(name: string, kind: WorkerModule["kind"], content: string | Buffer): WorkerModule {
    const bytes = Buffer.from(content);
    const key = `${hexId(`${name}\0${kind}`)}-${createHash("sha256").update(bytes).digest("hex")}`;
    this.#bytes.set(key, bytes);
    return { name, kind, key, size: bytes.length };
  }

  /** Puts bytes under a key of the test's choice, and returns it. */
  addAs(key: string, content: string | Buffer): string {
    this.#bytes.set(key, Buffer.from(content));
    return key;
  }

  /** A Worker of one module. */
  target(script: string, code: string, version: Partial<WorkerVersion> = {}): WorkerTarget {
    const main = this.add("index.js", "esModule", code);
    return {
      script,
      namespaces: [],
      version: {
        id: hexId(code + JSON.stringify(version)),
        number: 1,
        createdOn: "2026-11-01T00:00:00.000Z",
        mainModule: "index.js",
        modules: [main],
        compatibilityDate: "2026-11-01",
        compatibilityFlags: [],
        bindings: [],
        containers: [],
        annotations: {},
        ...version,
      },
    };
  }

  counter(script: string, marker: string): WorkerTarget {
    const bindings: WorkerBinding[] = [
      { type: "durable_object_namespace", name: "COUNTER", className: "Counter", namespaceId: COUNTER_ID },
    ];
    const namespaces = [{ id: COUNTER_ID, className: "Counter", sqlite: true }];
    return { ...this.target(script, counterCode(marker), { bindings }), namespaces };
  }
}

export async function temporaryDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lw-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const noHold = async (): Promise<AsyncDisposable> => ({ [Symbol.asyncDispose]: async () => undefined });

/** What a host in this directory needs; whoever starts several on it gives them the same. */
export function hostOptions(directory: string, modules: Modules, log: (message: string) => void = () => undefined): WorkerHostOptions {
  return {
    dataDirectory: join(directory, "data"),
    runDirectory: join(directory, "run"),
    readModule: modules.read,
    beforeStop: noHold,
    log,
  };
}

export interface TestHost extends AsyncDisposable {
  readonly host: RunningWorkerHost;
  readonly modules: Modules;
  readonly directory: string;
  readonly messages: string[];
}

/** A host in a directory of its own; disposing ends its workerds. */
export async function testHost(options: Partial<WorkerHostOptions> = {}): Promise<TestHost> {
  const temporary = await temporaryDirectory();
  const modules = new Modules();
  const messages: string[] = [];
  const host = await createWorkerHost({ ...hostOptions(temporary.path, modules, (message) => messages.push(message)), ...options });
  const dispose = async () => {
    await host.close();
    await temporary[Symbol.asyncDispose]();
  };
  return { host, modules, directory: temporary.path, messages, [Symbol.asyncDispose]: dispose };
}

/** One request through the script's socket, on a connection of its own. */
export async function fetchText(host: RunningWorkerHost, script: string, path = "/"): Promise<string> {
  const upstream = host.upstream(script);
  if (upstream === undefined || !("socketPath" in upstream)) throw new Error(`no upstream: ${JSON.stringify(upstream)}`);
  return fetchSocket(upstream.socketPath, path);
}

export async function fetchSocket(socketPath: string, path = "/"): Promise<string> {
  const outgoing = request({ socketPath, path, agent: false, headers: { host: "test.localhost" } });
  outgoing.end();
  const [response] = await once(outgoing, "response");
  return text(response);
}

/** Resolves at the first change after which `condition` holds; at once if it holds already. */
export function untilChange(host: RunningWorkerHost, condition: () => boolean): Promise<void> {
  if (condition()) return Promise.resolve();
  return new Promise((resolve) => {
    const listening = host.onChange(() => {
      if (!condition()) return;
      listening[Symbol.dispose]();
      resolve();
    });
  });
}
