import { STATUS_CODES } from "node:http";
import type { ClientResponse } from "./response.js";

/** An answer of the edge's own: what happened, and what to do. */
export interface Page {
  readonly status: number;
  readonly text: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;
  readonly location?: string;
  /** Where the next request would begin is not sure: in HTTP/1 the connection ends. */
  readonly close?: true;
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

export function closedHost(host: string, script: string): Page {
  return {
    status: 404,
    text: `The Worker "${script}" is not served at ${host}: its configuration switches that address off.

- Use one of its routes or custom domains:     longshore domains
- Or switch it on and deploy again:            "workers_dev": true
`,
  };
}

export const badAddress: Page = {
  status: 400,
  text: "The request's Host header or target is missing, doubled or malformed.\n",
  close: true,
};

export const badMethod: Page = { status: 405, text: "This method is not served here.\n" };

export function urlTooLong(limit: number): Page {
  return { status: 414, text: `The address is too long: path and query may have ${limit} bytes.\n` };
}

export function tooLarge(limit: number): Page {
  return { status: 413, text: `The request's body is too large: it may have ${limit} bytes.\n` };
}

export function tooManyRequests(host: string, waitSeconds: number): Page {
  return {
    status: 429,
    text: `${host} gets more requests than its limit allows; try again in ${waitSeconds} s.\n`,
    retryAfter: waitSeconds,
  };
}

export function redirect(location: string): Page {
  return { status: 308, text: `This is served at ${location}\n`, location };
}

export const badTransferCoding: Page = {
  status: 501,
  text: "The only Transfer-Encoding that is understood here is chunked.\n",
  close: true,
};

export const badFraming: Page = { status: 400, text: "A request of HTTP/1.0 has no Transfer-Encoding.\n", close: true };

export function tooManyFields(limit: number): Page {
  return { status: 431, text: `The request has too many headers: it may have ${limit}.\n`, close: true };
}

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
export function sendPage(response: ClientResponse, page: Page, ray: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(page.text);
  const headers = [
    "Content-Type",
    "text/plain; charset=utf-8",
    "Content-Length",
    String(body.length),
    "Cache-Control",
    "no-store",
    "CF-Ray",
    ray,
  ];
  if (page.retryAfter !== undefined) headers.push("Retry-After", String(page.retryAfter));
  if (page.close === true) headers.push("Connection", "close");
  if (page.location !== undefined) headers.push("Location", page.location);
  response.writeHead(page.status, STATUS_CODES[page.status] ?? "", headers);
  response.end(body);
}
