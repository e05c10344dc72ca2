import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import type { TraceEvent } from "@longshore/contract";
import { ASK_AGAIN_MS } from "./trace-config.js";

export type TraceListener = (event: TraceEvent) => void;

/** Takes what traced Workers report, and hands it to those who listen. */
export class TraceSink {
  readonly #server: Server;
  readonly #listeners = new Map<string, Set<TraceListener>>();

  private constructor(log: (message: string) => void) {
    this.#server = createServer((request, response) => {
      this.#take(request).then(
        (wanted) => response.writeHead(wanted ? 200 : 204).end(),
        (error: unknown) => {
          log(`A Worker's report of what it did could not be read: ${String(error)}`);
          response.writeHead(400).end();
        },
      );
    });
  }

  /** Listens at `path`, in place of an earlier server. */
  static async open(path: string, log: (message: string) => void): Promise<TraceSink> {
    const sink = new TraceSink(log);
    rmSync(path, { force: true });
    sink.#server.listen(path);
    await once(sink.#server, "listening");
    return sink;
  }

  /** Resolves once all that the script does from now on is heard. */
  async listen(script: string, listener: TraceListener): Promise<Disposable> {
    const listeners = this.#listeners.get(script) ?? new Set();
    this.#listeners.set(script, listeners.add(listener));
    // Its process may have been told a moment ago that nobody listens.
    await setTimeout(ASK_AGAIN_MS);
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0) this.#listeners.delete(script);
      },
    };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(request: IncomingMessage): Promise<boolean> {
    const script = (request.url ?? "").slice(1);
    const body = await text(request);
    const listeners = this.#listeners.get(script);
    if (listeners === undefined) return false;
    const scriptVersion = { id: String(request.headers.version ?? "") };
    for (const event of JSON.parse(body) as TraceEvent[]) {
      for (const listener of listeners) listener({ ...event, scriptName: script, scriptVersion });
    }
    return true;
  }
}
