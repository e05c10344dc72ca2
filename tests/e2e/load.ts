import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { Platform } from "@longshore/testkit";

/** One request of the load, and what makes its answer right. */
export interface Shot {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  /** Says what is wrong with an answer of status 200; undefined when it is right. */
  wrong(body: string): string | undefined;
}

export interface LoadReport {
  readonly requests: number;
  /** The longest that a request took, in milliseconds. */
  readonly maxMs: number;
  /** What went wrong, one line for each request that was not answered right. */
  readonly failures: readonly string[];
}

/** Clients that each keep one connection and send one request after the other, until they are told to stop. */
export class Load {
  readonly #stopping = new AbortController();
  readonly #failures: string[] = [];
  readonly #done: Promise<unknown>;
  #requests = 0;
  #maxMs = 0;

  constructor(platform: Platform, app: string, clients: number, shot: (client: number, turn: number) => Shot) {
    const port = platform.presence.edgePort;
    const host = new URL(platform.url(app)).host;
    this.#done = Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        // No client of Node.js sends a request twice by itself, so each failure is seen.
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        for (let turn = 0; !this.#stopping.signal.aborted; turn++) await this.#shoot(port, host, agent, shot(client, turn));
        agent.destroy();
      }),
    );
  }

  get requests(): number {
    return this.#requests;
  }

  /** Lets the requests under way finish; resolves to what came of all. */
  async stop(): Promise<LoadReport> {
    this.#stopping.abort();
    await this.#done;
    return { requests: this.#requests, maxMs: Math.round(this.#maxMs), failures: this.#failures };
  }

  async #shoot(port: number, host: string, agent: Agent, { method, path, body, wrong }: Shot): Promise<void> {
    const started = performance.now();
    const problem = await this.#outcome(port, host, agent, method, path, body, wrong);
    const ms = performance.now() - started;
    this.#requests++;
    this.#maxMs = Math.max(this.#maxMs, ms);
    if (problem !== undefined) this.#failures.push(`${new Date().toISOString()} ${method} ${path} after ${Math.round(ms)} ms: ${problem}`);
  }

  async #outcome(
    port: number,
    host: string,
    agent: Agent,
    method: string,
    path: string,
    body: string | undefined,
    wrong: Shot["wrong"],
  ): Promise<string | undefined> {
    try {
      const headers = { host, ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }) };
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request({ host: "127.0.0.1", port, method, path, headers, agent }, resolve).once("error", reject).end(body);
      });
      const answer = await text(response);
      return response.statusCode === 200 ? wrong(answer) : `${response.statusCode} ${answer}`;
    } catch (error) {
      return String(error);
    }
  }
}
