import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";

/** A client of the Docker Engine API on a unix socket, with its connection kept: as fast as a client can be. */
export class DockerApi {
  #socketPath;
  #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(socketPath) {
    this.#socketPath = socketPath;
  }

  /** One call; resolves with the parsed answer. `body` is sent as JSON, or streamed when it is a stream. */
  async call(method, path, body) {
    const isStream = typeof body?.pipe === "function";
    const outgoing = request({
      socketPath: this.#socketPath,
      agent: this.#agent,
      method,
      path,
      headers: body === undefined ? {} : { "content-type": isStream ? "application/x-tar" : "application/json" },
    });
    const answer = new Promise((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.once("error", reject);
    });
    if (isStream) body.pipe(outgoing);
    else outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    const response = await answer;
    const content = await text(response);
    if (response.statusCode >= 300) throw new Error(`${method} ${path} was answered with ${response.statusCode}: ${content.trim()}`);
    if (content === "" || !response.headers["content-type"]?.includes("json")) return undefined;
    // Loading an image answers with a line of JSON for each step.
    return JSON.parse(content.trim().split("\n").at(-1));
  }

  async [Symbol.asyncDispose]() {
    this.#agent.destroy();
  }
}
