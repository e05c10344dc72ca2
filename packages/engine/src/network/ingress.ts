import { readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ErrorCode, type ExitReason, type ExitRecord, isErrno, LongshoreError } from "@longshore/contract";
import { QuickServer } from "../http/quick-server.js";
import { type PlainRoute, plain, routesHandler } from "../http/router.js";
import { shortageText } from "../instance/exit.js";
import type { Instance } from "../instance/instance.js";
import { openFilesLimit } from "../sys/open-files.js";
import { OpenSockets } from "./open-sockets.js";
import { type Relayed, relay } from "./relay.js";
import { ENGINE_PORT, serveCounts } from "./socket-counts.js";
import { WaitingLine } from "./waiting-line.js";

/**
 * What a connection that can never succeed is answered with: the Container class decides by `code` and shows `message`. A start that failed
 * brings its own code, such as `LIMIT_REACHED`.
 */
export interface IngressRefusal {
  readonly code: "CONTAINER_EXITED" | "PORT_NOT_LISTENING" | "NOT_RUNNING" | "TOO_MANY_CONNECTIONS" | ErrorCode;
  readonly message: string;
  readonly exitCode?: number;
  readonly reason?: ExitReason;
  readonly lastLines?: readonly string[];
  /** Of a port that is not open: how long the program has been running, in milliseconds, and on which ports it does listen. */
  readonly runningMs?: number;
  readonly listening?: readonly number[];
}

/** The container as the door finds it: its current life, and why there is none. */
export interface IngressTarget {
  instance(): Instance | undefined;
  /** Why the last start came to nothing. */
  failure(): LongshoreError | undefined;
  /** Takes in what workerd says about outbound traffic. Errors: `INVALID_INPUT`. */
  configureEgress(body: unknown): void;
  /** The certificate of the authority that signs for the hosts the container speaks TLS to, PEM. */
  certificate(): string;
  /** The last lines of output of a container that runs. */
  lastLines(instance: Instance): Promise<readonly string[]>;
}

/**
 * So long after its start a program is waited for to open a port, as both Container classes promise (spec 02). After that a connection is refused at once:
 * the published class asks again and again, each time for five seconds, and would never come to an end.
 */
const HOLD_MS = 20_000;
/** Applications open several ports one after another: once one answers, the others have this long. Later nobody expects a port to open by itself. */
const SETTLE_MS = 5_000;
/**
 * Connections that one container may have open, or wait for, and all together: each takes two of the engine's descriptors, and a flood must
 * leave enough for everything else.
 */
const MAX_CONNECTIONS = Math.min(10_000, Math.floor(openFilesLimit() / 8));
const MAX_TO_ALL = Math.floor(openFilesLimit() / 4);
let openToAll = 0;
/**
 * While an application boots, a connect to its own loopback is tried again after this many milliseconds, by its age: one costs 30 µs, and nothing
 * tells when a port opens. A server that starts in a few milliseconds is met within one, a runtime that takes a second costs little.
 */
const retryMs = (waitedMs: number) => (waitedMs < 60 ? 1 : waitedMs < 1_000 ? 4 : 10);
/**
 * No application listens here: the published Container class asks this port whether a container runs that has no port of its own, and takes a refusal
 * for yes. Held, it would ask for minutes.
 */
const PROBE_PORT = 33;
const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n\r\n";

/**
 * The door to one container: workerd sends `CONNECT 127.0.0.1:<port>` here. The connection is held until the port listens, so that nobody polls
 * through the whole stack, and refused only when it cannot succeed: the container ended, or the port did not open in time.
 */
export class Ingress implements AsyncDisposable {
  readonly #server: QuickServer;
  #target: IngressTarget;
  readonly #line = new WaitingLine();
  readonly #sockets = new OpenSockets();
  readonly #limit: number;
  readonly #holdMs: number;
  readonly #relayed = new Set<Relayed>();
  #open = 0;

  private constructor(target: IngressTarget, limit: number, holdMs: number) {
    this.#holdMs = holdMs;
    this.#target = target;
    this.#limit = limit;
    const routes = sidecarRoutes(() => this.#target);
    const connect = (target: string, client: Socket, head: Buffer) => void this.#connect(target, client, head);
    this.#server = new QuickServer({ routes, connect }, routesHandler(routes));
  }

  /**
   * Listens on loopback; without a target nobody gets through before {@link lead}. `port` 0 picks one; after a restart the same port must be taken again,
   * since workerd remembers it.
   */
  static async listen(port: number, target: IngressTarget = NOBODY, limit = MAX_CONNECTIONS, holdMs = HOLD_MS): Promise<Ingress> {
    const ingress = new Ingress(target, limit, holdMs);
    await new Promise<void>((resolve, reject) => {
      ingress.#server.once("error", reject);
      ingress.#server.listen(port, "127.0.0.1", resolve);
    });
    return ingress;
  }

  /** From now on this is the door of that container. */
  lead(target: IngressTarget): this {
    this.#target = target;
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends the connections on which nobody waits for an answer: streams, WebSockets, idle ones. To be called some times, as {@link Relayed} says. */
  cutStreams(): void {
    for (const each of [...this.#relayed]) each.cutStream();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #connect(target: string, client: Socket, head: Buffer): Promise<void> {
    const gone = new AbortController();
    client.on("error", () => gone.abort());
    client.on("close", () => gone.abort());
    if (this.#open >= this.#limit || openToAll >= MAX_TO_ALL) return refuse(client, tooMany(this.#open));
    this.#open++;
    openToAll++;
    let counted = true;
    const left = () => {
      if (!counted) return;
      counted = false;
      this.#open--;
      openToAll--;
    };
    client.once("close", left);
    client.setNoDelay(true);
    const port = Number(target.slice(target.lastIndexOf(":") + 1));
    if (port === ENGINE_PORT) {
      client.write(ESTABLISHED);
      if (head.length > 0) client.unshift(head);
      return serveCounts(client, this.#sockets);
    }
    const outcome = await this.#reach(port, gone.signal);
    if (outcome === undefined) return;
    if (typeof outcome === "object") {
      if (!gone.signal.aborted) refuse(client, outcome);
      return;
    }
    client.off("close", left);
    const arrived = () => this.#target.instance()?.arrived();
    const switched = () => this.#sockets.opened();
    let relayed: Relayed | undefined;
    const ended = () => {
      left();
      if (relayed !== undefined) this.#relayed.delete(relayed);
    };
    relayed = relay({ client, descriptor: outcome, greeting: ESTABLISHED, early: head, arrived, switched, ended });
    if (relayed !== undefined) this.#relayed.add(relayed);
    // Only now: what is written down of it would keep the client waiting.
    this.#target.instance()?.ready(port);
  }

  /** The descriptor of a connection to the port, or why there will be none; `undefined` when nobody waits for it any more. */
  async #reach(port: number, signal: AbortSignal): Promise<number | IngressRefusal | undefined> {
    const since = Date.now();
    return await this.#line.answer(port, {
      attempt: () => this.#attempt(port),
      pause: () => delay(retryMs(Date.now() - since)),
      signal,
    });
  }

  #attempt(port: number): number | IngressRefusal | Promise<IngressRefusal> | undefined {
    const failure = this.#target.failure();
    if (failure !== undefined) return { code: failure.code, message: failure.text };
    const instance = this.#target.instance();
    if (instance === undefined || instance.status === "created") return { code: "NOT_RUNNING", message: "The container is not running." };
    const { exit } = instance.record;
    if (exit !== undefined) return exitRefusal(port, exit);
    instance.arrived();
    const descriptor = instance.network?.connectDescriptor(port);
    if (descriptor !== undefined) return descriptor;
    if (port === PROBE_PORT || runningMs(instance) >= this.#holdMs || instance.openPorts.has(port) || instance.readyForMs >= SETTLE_MS)
      return this.#notListening(port, instance);
    return undefined;
  }

  async #notListening(port: number, instance: Instance): Promise<IngressRefusal> {
    return notListening(port, instance, await this.#target.lastLines(instance));
  }
}

/** What workerd asks of a container's sidecar beside connections: outbound rules, and the certificate that containers are to trust. */
function sidecarRoutes(target: () => IngressTarget): PlainRoute[] {
  return [
    plain("PUT", /^\/egress$/, async ({ body }) => {
      target().configureEgress(await body());
      return { status: 200 };
    }),
    plain("GET", /^\/ca$/, () => ({ status: 200, body: target().certificate(), type: "application/x-pem-file" })),
  ];
}

function tooMany(open: number): IngressRefusal {
  return { code: "TOO_MANY_CONNECTIONS", message: `The container has ${open} connections open; there is no room for another.` };
}

/** Whom a door leads to that has not been given to a container yet. */
const NOBODY: IngressTarget = {
  instance: () => undefined,
  failure: () => undefined,
  configureEgress: nobody,
  certificate: nobody,
  lastLines: async () => [],
};

function nobody(): never {
  throw new LongshoreError("NOT_FOUND", "This port is not a container's yet.");
}

function exitRefusal(port: number, { code, reason, lastLines, memory }: ExitRecord): IngressRefusal {
  const why = reason === "oom" && memory !== undefined ? ` because it ran ${shortageText(memory)}` : "";
  const serves = port === PROBE_PORT ? "" : `; it serves port ${port} no more`;
  const message = `The container exited with code ${code}${why}${serves}.`;
  return { code: "CONTAINER_EXITED", message, exitCode: code, reason, lastLines };
}

function notListening(port: number, instance: Instance, lastLines: readonly string[]): IngressRefusal {
  const ports = listeningPorts(instance.record.process.pid);
  // Programs match on both phrases: workerd's own for a port that is closed, and the one that the published Container class looks for.
  const offered = ports.length === 0 ? "on any port" : `there, only on ${ports.join(", ")}`;
  const message = `Container is not listening to port ${port}: the container is not listening ${offered}.`;
  return { code: "PORT_NOT_LISTENING", message, lastLines, runningMs: runningMs(instance), listening: ports };
}

function runningMs({ record: { startedAt } }: Instance): number {
  return startedAt === undefined ? 0 : Date.now() - Date.parse(startedAt);
}

/** TCP ports in state LISTEN in a process's network namespace. */
function listeningPorts(pid: number): number[] {
  const found = new Set<number>();
  for (const table of ["tcp", "tcp6"]) {
    try {
      for (const line of readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1)) {
        const [, local, , state] = line.trim().split(/\s+/);
        if (state === "0A" && local !== undefined) found.add(Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16));
      }
    } catch (error) {
      if (!isErrno(error, "ENOENT") && !isErrno(error, "ESRCH")) throw error;
    }
  }
  return [...found].sort((a, b) => a - b);
}

function refuse(client: Duplex, refusal: IngressRefusal): void {
  const body = JSON.stringify(refusal);
  client.end(
    `HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
