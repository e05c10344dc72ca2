import { setMaxListeners } from "node:events";
import type { WorkerUpstream } from "@longshore/contract";
import { type buildConnector, Pool } from "undici";
import { connectReader } from "./reading.js";

/** workerd closes a connection that was idle for 5 s. We close it earlier, so that no request meets a connection that is just being closed. */
const IDLE_MS = 3000;

/** What leads to one process. */
export interface Connections {
  readonly socketPath: string;
  readonly pool: Pool;
  /** Aborted when nobody will answer on them any more. */
  readonly signal: AbortSignal;
  readonly abort: () => void;
}

/** One script's way through the edge: its gate, its requests under way and its connections. */
export class Lane {
  readonly script: string;
  readonly #upstream: WorkerUpstream;
  #holds = 0;
  #underWay = 0;
  /** Wakes on every event that can let a waiting request go on. */
  readonly #waiting = new Set<() => void>();
  readonly #draining = new Set<() => void>();
  #connections: Connections | undefined;
  #generation = 0;

  constructor(script: string, upstream: WorkerUpstream) {
    this.script = script;
    this.#upstream = upstream;
  }

  get held(): boolean {
    return this.#holds > 0;
  }

  /** Changes with each event: compare it to learn whether something happened meanwhile. */
  get generation(): number {
    return this.#generation;
  }

  /** A request goes to workerd. The returned function says that it is done; calling it again does nothing. */
  enter(): () => void {
    this.#underWay++;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#underWay--;
      if (this.#underWay === 0) for (const drained of this.#draining) drained();
    };
  }

  /** See `TrafficGate.hold`. */
  async hold(drainMs: number): Promise<AsyncDisposable> {
    this.#holds++;
    await this.#drained(drainMs);
    let holding = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!holding) return;
        holding = false;
        this.#holds--;
        if (!this.held) this.#wake();
      },
    };
  }

  /** The script's workerd or its state is another one now. Connections to the old one serve out what they carry, and no more. */
  changed(): void {
    const upstream = this.#upstream.upstream(this.script);
    const retired = this.#connections;
    this.#connections = undefined;
    if (upstream !== undefined && "socketPath" in upstream) void retired?.pool.close();
    // With no process behind the socket, what waits in its backlog would wait for ever.
    else retired?.abort();
    this.#wake();
  }

  /** Resolves at the next event, or after `ms` at the latest. */
  nextEvent(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      this.#waiting.add(done);
    });
  }

  /** The connections to the process behind this socket. */
  connections(socketPath: string): Connections {
    if (this.#connections?.socketPath === socketPath) return this.#connections;
    const pool = new Pool(`http://${this.script}`, {
      connect: (_target, connected) => connectPool(socketPath, connected),
      pipelining: 1,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      // A Worker may take its time, and a stream its pauses: only the client and the process's end bound them.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 128 * 1024,
    });
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const abort = () => {
      controller.abort();
      void pool.destroy();
    };
    this.#connections = { socketPath, pool, signal: controller.signal, abort };
    return this.#connections;
  }

  /** Cuts everything off. */
  destroy(): void {
    this.#connections?.abort();
    this.#connections = undefined;
    this.#wake();
  }

  #wake(): void {
    this.#generation++;
    for (const done of [...this.#waiting]) done();
  }

  #drained(ms: number): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#draining.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#draining.add(done);
    });
  }
}

function connectPool(path: string, connected: buildConnector.Callback): void {
  const socket = connectReader(path);
  const failed = (error: Error) => connected(error, null);
  socket.once("error", failed);
  socket.once("connect", () => {
    socket.off("error", failed);
    connected(null, socket);
  });
}
