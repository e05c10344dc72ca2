import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import type { Refusal } from "./docker-engine.js";
import type { ProcessContainer } from "./process-container.js";

export interface SidecarOptions {
  /**
   * `true`: as Longshore's engine does, a CONNECT waits for the port and a failure is told as JSON.
   * `false`: as the sidecar container does on Docker, it is refused at once with status 400 and nothing more.
   */
  readonly hold: boolean;
  /** How long a held CONNECT waits for the port, in milliseconds. */
  readonly holdMs?: number;
  /** How much longer than they have containers seem to have run, in milliseconds. */
  readonly agedMs?: number;
}

const RETRY_MS = 5;
/** Nothing listens here, and nobody waits for it. */
const PROBE_PORT = 33;
/** As Longshore's engine: here it tells how many WebSockets are open. */
const ENGINE_PORT = 65_535;

/** What workerd says with `PUT /egress`. */
export interface EgressSettings {
  readonly port: number;
  readonly internet?: { readonly enabled: boolean };
}

/** The "sidecar" of one container: the port that workerd sends `CONNECT` to, and the egress settings that it puts there. */
export class SidecarPort {
  /** As it was put last. */
  egress: EgressSettings | undefined;
  egressPuts = 0;
  #server: Server;
  #open = new Set<Duplex>();
  #webSockets = new Set<Socket>();
  #watchers = new Set<() => void>();

  constructor(
    private readonly container: () => ProcessContainer | undefined,
    private readonly refusal: () => Refusal | undefined,
    private readonly options: SidecarOptions,
  ) {
    this.#server = createServer(async (request, response) => {
      const body = await text(request);
      if (request.url === "/egress") {
        this.egress = { ...this.egress, ...(JSON.parse(body) as EgressSettings) };
        this.egressPuts++;
      }
      response.end(request.url === "/ca" ? "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" : "");
    });
    this.#server.on("connect", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#open.add(socket);
      socket.on("close", () => this.#open.delete(socket));
      socket.on("error", () => socket.destroy());
      void this.#connect(request, socket, head);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #connect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const port = Number((request.url ?? "").split(":").pop());
    if (port === ENGINE_PORT && this.options.hold) return this.#tellSockets(socket);
    const deadline = Date.now() + (this.options.holdMs ?? 10_000);
    for (;;) {
      const container = this.container();
      container?.wake();
      const hostPort = container?.status === "running" ? container.hostPort(port) : undefined;
      const upstream = hostPort === undefined ? undefined : await tryConnect(hostPort);
      if (upstream !== undefined) {
        // What arrives wakes the program, also on a connection that workerd has kept.
        socket.on("data", () => container?.wake());
        upstream.on("data", (piece: Buffer) => {
          if (piece.toString("latin1", 0, 13) === "HTTP/1.1 101 ") this.#switched(socket);
        });
        return join(socket, upstream, head);
      }
      if (!this.options.hold) return answer(socket, "400 Bad Request");
      const failure = this.#failure(container, port, Date.now() > deadline);
      if (failure !== undefined) return answer(socket, failure.status, failure.body);
      if (socket.destroyed) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #switched(socket: Socket): void {
    const changed = () => {
      for (const tell of [...this.#watchers]) tell();
    };
    this.#webSockets.add(socket);
    for (const over of ["end", "close"]) socket.once(over, () => this.#webSockets.delete(socket) && changed());
    changed();
  }

  #tellSockets(socket: Socket): void {
    const tell = () => {
      const { size } = this.#webSockets;
      socket.write(`${size}\n`);
      if (size === 0) socket.end();
    };
    this.#watchers.add(tell);
    socket.once("close", () => this.#watchers.delete(tell));
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/vnd.longshore.websocket-counts\r\n\r\n");
      tell();
    });
  }

  #failure(container: ProcessContainer | undefined, port: number, late: boolean): { status: string; body: object } | undefined {
    const refusal = this.refusal();
    if (container === undefined && refusal !== undefined) return { status: "500 Refused", body: refusal };
    if (container === undefined)
      return { status: "502 Bad Gateway", body: { code: "CONTAINER_EXITED", message: "The container does not run." } };
    if (container.status === "exited") {
      const { exitCode, lastLines } = container;
      const message = `The container's process ended with code ${exitCode}.`;
      const outOfMemory = container.image.hog && exitCode === 137;
      const reason = outOfMemory ? "oom" : container.toldToEnd ? "signal" : "exit";
      return { status: "502 Bad Gateway", body: { code: "CONTAINER_EXITED", message, exitCode, reason, lastLines } };
    }
    if (!late && port !== PROBE_PORT) return undefined;
    const message = `Container is not listening to port ${port}: the container is not listening on any port.`;
    const runningMs = Date.now() - container.startedAt + (this.options.agedMs ?? 0);
    const facts = { lastLines: container.lastLines, runningMs, listening: [] };
    return { status: "504 Gateway Timeout", body: { code: "PORT_NOT_LISTENING", message, ...facts } };
  }
}

async function tryConnect(port: number): Promise<Socket | undefined> {
  const socket = connect(port, "127.0.0.1").setNoDelay(true);
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

function join(client: Socket, upstream: Socket, head: Buffer): void {
  client.setNoDelay(true);
  client.write("HTTP/1.1 200 OK\r\n\r\n");
  upstream.write(head);
  client.pipe(upstream).pipe(client);
  upstream.on("error", () => client.destroy());
  upstream.on("close", () => client.destroy());
  client.on("close", () => upstream.destroy());
}

function answer(socket: Socket, status: string, body?: object): void {
  const json = body === undefined ? "" : JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\nconnection: close\r\n\r\n${json}`,
  );
}
