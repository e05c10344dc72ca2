import { TARGET_PORT_HEADER } from "./stubs.js";

/** The port that a request given to `fetch` is for: what `switchPort` wrote, else the default. Throws if there is neither. */
export function targetPort(request: Request, defaultPort: number | undefined): number {
  const chosen = request.headers.get(TARGET_PORT_HEADER);
  if (chosen === null) return checked(defaultPort);
  return checked(/^\d+$/.test(chosen) ? Number(chosen) : Number.NaN);
}

export type RequestInitWithPort = RequestInit & { port?: number };

/** The request and the port of a `containerFetch` call in any of its forms, `containerFetch(request, { port })` among them. */
export function requestAndPort(
  requestOrUrl: Request | string | URL,
  portOrInit: number | RequestInitWithPort | undefined,
  port: number | undefined,
  defaultPort: number | undefined,
): { request: Request; port: number } {
  if (typeof portOrInit === "number") return { request: asRequest(requestOrUrl), port: checked(portOrInit) };
  return { request: asRequest(requestOrUrl, portOrInit), port: checked(port ?? portOrInit?.port ?? defaultPort) };
}

function asRequest(requestOrUrl: Request | string | URL, init?: RequestInit): Request {
  if (requestOrUrl instanceof Request) return requestOrUrl;
  // A path alone is one of the container's: it has no other host.
  return new Request(new URL(requestOrUrl, "http://container/"), init);
}

function checked(port: number | undefined): number {
  if (port === undefined) {
    throw new TypeError(
      "No port to send the request to: set `defaultPort` on the Container class, or pass a port with `switchPort` or to `containerFetch`.",
    );
  }
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new TypeError(`${port} is not a port: it must be a whole number from 1 to 65535.`);
}
