import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { now } from "./first-byte.mjs";

/**
 * Clients that each keep one connection and send one request after the other until they are stopped. No client of Node.js sends a request twice by
 * itself, so each failure is seen.
 */
export class Load {
  /** @type {{ from: number, ms: number, kind: string, problem?: string }[]} */
  samples = [];
  #stopping = false;
  #clients;

  /** @param {{ port: number, host: string, clients: number, shot: (client: number, turn: number) => { kind: string, path: string, body?: string } }} options */
  constructor({ port, host, clients, shot }) {
    this.#clients = Array.from({ length: clients }, async (_, client) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let turn = 0; !this.#stopping; turn++) this.samples.push(await shoot({ port, host, agent, ...shot(client, turn) }));
      agent.destroy();
    });
  }

  /** Lets what is under way finish. */
  async stop() {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  /** Samples of requests that were under way at some time between two moments of {@link now}. */
  between(from, to) {
    return this.samples.filter((sample) => sample.from <= to && sample.from + sample.ms >= from);
  }
}

async function shoot({ port, host, agent, kind, path, body }) {
  const from = now();
  const problem = await outcome({ port, host, agent, path, body });
  return { from, ms: now() - from, kind, ...(problem === undefined ? {} : { problem }) };
}

async function outcome({ port, host, agent, path, body }) {
  try {
    const headers = { host, ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }) };
    const method = body === undefined ? "GET" : "POST";
    const response = await new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, method, path, headers, agent }, resolve).once("error", reject).end(body);
    });
    const answer = await text(response);
    if (response.statusCode !== 200) return `${response.statusCode} ${answer}`;
    return body === undefined || answer === body ? undefined : `echoed ${answer}`;
  } catch (error) {
    return String(error);
  }
}
