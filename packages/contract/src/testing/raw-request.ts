import { type Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";

/** Longer is a hang, also where every write waits for a busy disk. */
const ANSWER_MS = 60_000;

/** A request as a fuzz test makes it up: fetch would put some of them in order. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

export interface RawAnswer {
  readonly status: number;
  /** Content-Type, or "". */
  readonly type: string;
  readonly text: string;
}

/** Sends a request to 127.0.0.1. Rejects when no whole answer comes within a minute. */
export async function sendRaw(port: number, agent: Agent, { method, path, headers, body }: RawRequest): Promise<RawAnswer> {
  return await new Promise<RawAnswer>((resolve, reject) => {
    const outgoing = request({
      hostname: "127.0.0.1",
      port,
      agent,
      method,
      path,
      headers: { ...headers, ...(body === undefined ? {} : { "content-length": body.length }) },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    outgoing.on("response", (response) => {
      const { statusCode = 0, headers: received } = response;
      buffer(response).then(
        (bytes) => resolve({ status: statusCode, type: received["content-type"] ?? "", text: bytes.toString("utf8") }),
        reject,
      );
    });
    outgoing.on("error", (error) => reject(new Error(`${method} ${path}: ${error.message}`, { cause: error })));
    outgoing.end(body);
  });
}
