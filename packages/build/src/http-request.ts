import { type RequestOptions as HttpOptions, type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { LongshoreError } from "@longshore/contract";

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Registry manifests and the engine's lists are small; more than this is not one of them. Bytes. */
const MAX_BODY = 16 * 1024 * 1024;

/** One HTTP request, the whole answer. `secure` without a `socketPath` means TLS. Rejects with Node's own error when there is no answer in `timeoutMs`. */
export function httpRequest(
  options: HttpOptions & { secure: boolean; timeoutMs: number; rejectUnauthorized?: boolean },
): Promise<HttpResponse> {
  const { secure, timeoutMs, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = (secure ? tlsRequest : plainRequest)({ ...rest, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY)
          response.destroy(new LongshoreError("TOO_LARGE", `The answer to ${rest.path} is larger than ${MAX_BODY} bytes.`));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end();
  });
}
