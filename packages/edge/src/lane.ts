import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
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

/** A request that is with workerd. */
interface Passage {
  /** When it went there. */
  readonly since: number;
  /** True while its body is on the way, or once its answer has begun. */
  readonly streams: () => boolean;
}

/** One script's way through the edge: its gate, its requests under way and its connections. */
export class Lane {
  readonly script: string;
  readonly #upstream: WorkerUpstream;
  #holds = 0;
  /** The requests that are with workerd, oldest first. */
  readonly #underWay = new Set<Passage>();
  /** Connections that have changed protocols. */
  readonly #tunnels = new Set<Socket>();
  /** Wakes on every event that can let a waiting request go on. */
  readonly #waiting = new Set<() => void>();
  readonly #looking = new Set<() => void>();
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
  enter(streams: () => boolean): () => void {
    const passage = { since: performance.now(), streams };
    this.#underWay.add(passage);
    return () => {
      if (this.#underWay.delete(passage)) this.#left();
    };
  }

  /** A connection to workerd has changed protocols: it counts as under way until it is closed. */
  enterTunnel(upstream: Socket): void {
    this.#tunnels.add(upstream);
    upstream.once("close", () => {
      this.#tunnels.delete(upstream);
      this.#left();
    });
  }

  /** Whether something has been under way for longer than `ms`, or has no end of its own. */
  isBusyFor(ms: number): boolean {
    if (this.#tunnels.size > 0) return true;
    const [oldest] = this.#underWay;
    return oldest !== undefined && performance.now() - oldest.since > ms;
  }

  /** Holds new requests until disposed. Whoever asks waits for those under way by {@link settled}. */
  hold(): Disposable {
    this.#holds++;
    let holding = true;
    return {
      [Symbol.dispose]: () => {
        if (!holding) return;
        holding = false;
        this.#holds--;
        if (!this.held) this.#wake();
      },
    };
  }

  /**
   * Resolves when `condition` holds, or after `ms`. It is looked at whenever something ends; each `everyMs` too, if it is one that time alone can bring about.
   */
  settled(condition: () => boolean, ms: number, everyMs?: number): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (condition()) done();
      };
      const again = everyMs === undefined ? undefined : setInterval(look, everyMs);
      const done = () => {
        clearTimeout(timer);
        clearInterval(again);
        this.#looking.delete(look);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#looking.add(look);
    });
  }

  /** True when nothing is under way. */
  get isQuiet(): boolean {
    return this.#underWay.size === 0 && this.#tunnels.size === 0;
  }

  /** True when all that is under way has been so for longer than `ms`, and is a stream: no request waits for an answer. */
  hasOnlyStreams(ms: number): boolean {
    const since = performance.now() - ms;
    return [...this.#underWay].every((passage) => passage.since < since && passage.streams());
  }

  /** Ends everything that is under way. */
  cut(): void {
    for (const upstream of this.#tunnels) upstream.destroy();
    if (this.#underWay.size === 0) return;
    this.#connections?.abort();
    this.#connections = undefined;
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
    for (const upstream of this.#tunnels) upstream.destroy();
    this.#connections?.abort();
    this.#connections = undefined;
    this.#wake();
  }

  #wake(): void {
    this.#generation++;
    for (const done of [...this.#waiting]) done();
  }

  #left(): void {
    for (const look of [...this.#looking]) look();
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
