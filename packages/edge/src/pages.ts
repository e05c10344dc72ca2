import type { ServerResponse } from "node:http";

/** An answer of the edge's own: what happened, and what to do. */
export interface Page {
  readonly status: number;
  readonly text: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;
}

export function unknownHost(host: string, domain: string): Page {
  return {
    status: 404,
    text: `No Worker is served at ${host}.

- A Worker is served at <its name>.${domain}: check the name in the address.
- See what is deployed:  longshore status
- Deploy a Worker:       longshore deploy   (in its directory)
`,
  };
}

export const badAddress: Page = { status: 400, text: "The request's Host header or target is missing, doubled or malformed.\n" };

export const badTransferCoding: Page = { status: 501, text: "The only Transfer-Encoding that is understood here is chunked.\n" };

export const badUpgrade: Page = { status: 400, text: "An upgrade request must be a GET without a body.\n" };

export const invalidRequest: Page = { status: 400, text: "The request has a method, path or header that cannot be passed on.\n" };

export const uploadStalled: Page = { status: 408, text: "The request's body stopped coming, so the request was given up.\n" };

export function unavailable(reason: string): Page {
  return { status: 503, text: `${reason.trimEnd()}\n`, retryAfter: 1 };
}

export function heldTooLong(script: string, deadlineMs: number): Page {
  return unavailable(
    `The Worker "${script}" was being replaced or restarted, and was not back within ${deadlineMs / 1000} s. The request was not handed to it; try again.`,
  );
}

export function lostProcess(script: string): Page {
  return {
    status: 502,
    text: `The process of the Worker "${script}" ended while it handled this request. Whether the request had an effect is not known.\n`,
  };
}

/** Sends the page, unless an answer has begun: then all that is left is to cut it short, so that it cannot be taken for a whole one. */
export function sendPage(response: ServerResponse, page: Page, ray: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(page.text);
  response.writeHead(page.status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": body.length,
    "Cache-Control": "no-store",
    "CF-Ray": ray,
    ...(page.retryAfter === undefined ? {} : { "Retry-After": page.retryAfter }),
  });
  response.end(body);
}
