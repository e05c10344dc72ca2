// Only for the tests beside it.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { WorkerTarget, WorkerUpstream } from "@longshore/contract";
import { createWorkerHost, type RunningWorkerHost } from "@longshore/workers";
import { createEdge, type Edge, type EdgeOptions } from "./edge.js";

export interface TestEdge extends AsyncDisposable {
  readonly edge: Edge;
  readonly port: number;
  readonly messages: string[];
}

export async function testEdge(upstream: WorkerUpstream, options: Partial<EdgeOptions> = {}): Promise<TestEdge> {
  const messages: string[] = [];
  const edge = createEdge({ domain: "localhost", upstream, holdDeadlineMs: 10_000, log: (message) => messages.push(message), ...options });
  edge.server.listen(0, "127.0.0.1");
  await once(edge.server, "listening");
  return { edge, messages, port: (edge.server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => edge[Symbol.asyncDispose]() };
}

/** The edge in front of a real worker host, wired as the server wires them. */
export interface Platform extends TestEdge {
  readonly host: RunningWorkerHost;
  readonly directory: string;
  /** Deploys one module as the script's code. */
  deploy(script: string, code: string, className?: string): Promise<void>;
}

export async function testPlatform(options: Partial<EdgeOptions> = {}): Promise<Platform> {
  const directory = await mkdtemp(join(tmpdir(), "le-"));
  const code = new Map<string, Buffer>();
  const wired: { edge?: Edge } = {};
  const host = await createWorkerHost({
    dataDirectory: join(directory, "data"),
    runDirectory: join(directory, "run"),
    readModule: async (key) => code.get(key) ?? Buffer.alloc(0),
    beforeStop: async (script) => (await wired.edge?.hold([script], 2000)) ?? { [Symbol.asyncDispose]: async () => undefined },
    stopGraceMs: 300,
    log: () => undefined,
  });
  const front = await testEdge(host, options);
  wired.edge = front.edge;
  return {
    ...front,
    host,
    directory,
    deploy: async (script, source, className) => {
      const target = targetOf(script, source, className);
      code.set(target.version.id, Buffer.from(source));
      await host.apply(target);
    },
    [Symbol.asyncDispose]: async () => {
      await front[Symbol.asyncDispose]();
      await host.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function targetOf(script: string, source: string, className?: string): WorkerTarget {
  const key = createHash("sha256").update(source).digest("hex");
  const id = "0123456789abcdef0123456789abcdef";
  return {
    script,
    namespaces: className === undefined ? [] : [{ id, className, sqlite: true }],
    version: {
      id: key,
      number: 1,
      createdOn: "2026-11-01T00:00:00.000Z",
      mainModule: "index.js",
      modules: [{ name: "index.js", kind: "esModule", key, size: Buffer.byteLength(source) }],
      compatibilityDate: "2026-11-01",
      compatibilityFlags: ["enable_request_signal"],
      bindings: className === undefined ? [] : [{ type: "durable_object_namespace", name: "OBJECT", className, namespaceId: id }],
      containers: [],
      annotations: {},
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly message: IncomingMessage;
  readonly body: Buffer;
  readonly text: string;
}

/** Sends a request to `<host>` at the edge and reads the whole answer. */
export async function send(port: number, host: string, path = "/", options: RequestOptions = {}, body?: Buffer | string): Promise<Answer> {
  const outgoing = request({ agent: false, ...options, host: "127.0.0.1", port, path, headers: { host, ...options.headers } });
  outgoing.end(body);
  const [message] = (await once(outgoing, "response")) as [IncomingMessage];
  const bytes = await buffer(message);
  return { status: message.statusCode ?? 0, message, body: bytes, text: bytes.toString() };
}

/** One connection that is kept. */
export const oneConnection = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 });

/** Writes raw bytes to the edge; returns all that comes back until it closes the connection. */
export async function raw(port: number, text: string): Promise<string> {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.write(text);
  return (await buffer(socket)).toString("latin1");
}
