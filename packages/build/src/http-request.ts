import { type RequestOptions as HttpOptions, type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { LongshoreError } from "@longshore/contract";

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface OneRequest extends HttpOptions {
  readonly tls: boolean;
  readonly rejectUnauthorized?: boolean;
  /** Certificate authorities, PEM. */
  readonly ca?: string;
  readonly signal: AbortSignal;
}

/** Registry manifests and the engine's lists are small; more than this is not one of them. Bytes. */
const MAX_BODY = 16 * 1024 * 1024;

/** One HTTP request and its whole answer, on a connection of its own. Rejects with Node's own error when there is none. Errors: `TOO_LARGE`. */
export function httpRequest({ tls, ...options }: OneRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const request = (tls ? tlsRequest : plainRequest)({ ...options, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BODY) chunks.push(chunk);
        else response.destroy(new LongshoreError("TOO_LARGE", `The answer to ${options.path} is larger than ${MAX_BODY} bytes.`));
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end();
  });
}
