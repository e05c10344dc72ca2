import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { WorkerBinding } from "@longshore/contract";
import { createWorkerHost, type RunningWorkerHost, STORE_HEADER } from "@longshore/workers";
import { Agent, fetch } from "undici";
import { bindingHandler } from "../binding/handler.js";
import { TestStorage } from "./storage.js";

/** A Worker in a real workerd, bound to the buckets `box` (as `BOX`) and `other`, of R2 in this process. */
export class TestWorker implements AsyncDisposable {
  readonly under: TestStorage;
  readonly #host: RunningWorkerHost;
  readonly #server: Server;
  readonly #agent: Agent;

  private constructor(under: TestStorage, host: RunningWorkerHost, server: Server, agent: Agent) {
    this.under = under;
    this.#host = host;
    this.#server = server;
    this.#agent = agent;
  }

  static async start(code: string): Promise<TestWorker> {
    const under = await TestStorage.open();
    await under.storage.createBucket("box");
    const objectsSocket = join(under.directory, "r2.sock");
    const server = createServer(
      bindingHandler(under.storage, (request) => String(request.headers[STORE_HEADER.toLowerCase()]).slice("r2/".length)),
    );
    await new Promise<void>((resolve) => server.listen(objectsSocket, resolve));
    const host = await createWorkerHost({
      dataDirectory: join(under.directory, "w"),
      runDirectory: join(under.directory, "r"),
      readModule: async () => Buffer.from(code),
      beforeStop: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      log: () => undefined,
      objectsSocket,
    });
    const bindings: WorkerBinding[] = [
      { type: "r2_bucket", name: "BOX", bucketName: "box" },
      { type: "r2_bucket", name: "OTHER", bucketName: "other" },
    ];
    const version = {
      id: "1",
      number: 1,
      createdOn: "2026-11-01T00:00:00.000Z",
      mainModule: "index.js",
      modules: [{ name: "index.js", kind: "esModule" as const, key: "index.js", size: Buffer.byteLength(code) }],
      compatibilityDate: "2026-11-01",
      compatibilityFlags: [],
      bindings,
      containers: [],
      annotations: {},
    };
    await host.apply({ script: "app", namespaces: [], version });
    const upstream = host.upstream("app");
    if (upstream === undefined || !("socketPath" in upstream)) throw new Error("the Worker does not run");
    return new TestWorker(under, host, server, new Agent({ connect: { socketPath: upstream.socketPath } }));
  }

  async fetch(path: string, init: Parameters<typeof fetch>[1] = {}) {
    return await fetch(`http://app${path}`, { ...init, dispatcher: this.#agent });
  }

  /** What a case of the Worker's answers, as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: looked at field by field in the tests
  async run(name: string): Promise<any> {
    const answer = await this.fetch(`/${name}`);
    if (answer.status !== 200) throw new Error(`${name} was answered ${answer.status}: ${await answer.text()}`);
    return await answer.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.close();
    await this.#host.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await this.under[Symbol.asyncDispose]();
  }
}
