import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TestEngine, type TestEngineOptions } from "./docker-engine.js";
import type { ProgramImage } from "./process-container.js";
import { WorkerProcess, type WorkerProcessOptions } from "./worker-process.js";

const HELLO = fileURLToPath(new URL("../../../../examples/hello/container/server.js", import.meta.url));
const WORKER = fileURLToPath(new URL("../../src/testing/workers/app.js", import.meta.url));

const node = (script: string): readonly string[] => [process.execPath, "-e", script];

/** The programs that the classes of the test Worker run. */
export const IMAGES: Readonly<Record<string, ProgramImage>> = {
  hello: { command: [process.execPath, HELLO], ports: [8080] },
  dies: {
    command: ["/bin/sh", "-c", "echo reading the configuration; echo no DATABASE_URL >&2; exit 3"],
    ports: [8080],
  },
  deaf: { command: node(`console.log("listening on nothing"); setInterval(() => {}, 1000);`), ports: [8080] },
  zip: {
    command: node(`const z = require("zlib").gzipSync(require("crypto").randomBytes(100000).toString("hex"), { level: 9 });
require("http").createServer((_, r) => r.writeHead(200, { "content-encoding": "gzip", "content-length": z.length }).end(z)).listen(process.env.PORT)`),
    ports: [8080],
  },
  hog: {
    command:
      node(`require("http").createServer((q, r) => q.url.includes("hog") ? process.kill(process.pid, "SIGKILL") : r.end(process.env.MESSAGE))
.listen(process.env.PORT)`),
    ports: [8080],
    hog: true,
  },
  frozen: { command: [process.execPath, HELLO], ports: [8080] },
  leaves: {
    command: node(`process.on("SIGTERM", () => process.exit(0));
let asked;
require("http").createServer((q, r) => {
  q.resume();
  if (q.url.includes("ask")) return console.log("asked"), asked = r;
  if (q.url.includes("go")) asked.end("answered");
  r.end("here");
}).listen(process.env.PORT)`),
    ports: [8080],
  },
  slow: { command: node(`setTimeout(() => require(${JSON.stringify(HELLO)}), 700)`), ports: [8080] },
};

const CLASSES = {
  Plain: "hello",
  Frozen: "frozen",
  Hog: "hog",
  Hooked: "hello",
  Noted: "hello",
  Dies: "dies",
  Deaf: "deaf",
  Slow: "slow",
  Leaves: "leaves",
  Zip: "zip",
  ZipReader: "zip",
};

/** A test engine and a real workerd with the test Worker on it. */
export interface Stage extends AsyncDisposable {
  readonly engine: TestEngine;
  readonly worker: WorkerProcess;
  /** Fetches `/<CLASS>/<instance>/<path>` of the Worker. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Calls a method of the Durable Object; rejects with nothing: the answer says what came of it. */
  call(object: string, method: string, ...args: unknown[]): Promise<{ result?: unknown; error?: Record<string, unknown> }>;
  /** What the hooks of one object noted, oldest first. */
  events(object?: string): Promise<Array<Record<string, unknown>>>;
  /** Whether an object has written down that its container runs: that happens a little later than its first answer. */
  hasWritten(object: string): Promise<boolean>;
  /** Kills workerd and starts a new one on the same storage and engine. */
  restartWorker(): Promise<void>;
}

export async function stage(options: Partial<TestEngineOptions> & Partial<WorkerProcessOptions> = {}): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), "containers-stage-"));
  const socketPath = join(directory, "engine.sock");
  const engine = await TestEngine.start({ socketPath, images: IMAGES, hold: true, ...options });
  const workerOptions: WorkerProcessOptions = {
    script: WORKER,
    classes: CLASSES,
    engineSocket: socketPath,
    storage: directory,
    ...options,
  };
  let worker = await WorkerProcess.start(workerOptions);
  const get = async (path: string) => (await fetch(worker.url + path)).json();
  return {
    engine,
    get worker() {
      return worker;
    },
    fetch: (path, init) => fetch(worker.url + path, init),
    call: async (object, method, ...args) =>
      (await get(`/${object}/@${method}?args=${encodeURIComponent(JSON.stringify(args))}`)) as {
        result?: unknown;
        error?: Record<string, unknown>;
      },
    events: async (object) => {
      const [name, instance] = (object ?? "/").split("/");
      const id = object === undefined ? "" : `?id=${await (await fetch(`${worker.url}/ids/${name}?name=${instance}`)).text()}`;
      return (await get(`/events${id}`)) as Array<Record<string, unknown>>;
    },
    hasWritten: async (object) => {
      const [name, instance] = object.split("/");
      const id = await (await fetch(`${worker.url}/ids/${name}?name=${instance}`)).text();
      return writtenBytes(worker.storage, id) > 0;
    },
    restartWorker: async () => {
      await worker.crash();
      worker = await WorkerProcess.start(workerOptions);
    },
    [Symbol.asyncDispose]: async () => {
      await worker[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The size of an object's log of writes: a new object's is empty until it has written something. */
function writtenBytes(storage: string, id: string): number {
  const file = readdirSync(storage, { recursive: true, encoding: "utf8" }).find((path) => path.endsWith(`${id}.sqlite-wal`));
  return file === undefined ? 0 : statSync(join(storage, file)).size;
}

/** Waits until `check` gives something, asking again after each short pause; fails after `ms`. */
export async function eventually<T>(check: () => T | undefined | false | Promise<T | undefined | false>, ms = 60_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`It did not happen within ${ms} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
