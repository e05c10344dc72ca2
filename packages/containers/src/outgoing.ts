/** Methods that may be sent twice without harm (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** A container speaks plain HTTP on its port, whatever the client spoke to the Worker. */
export function plainHttp(request: Request): Request {
  return request.url.startsWith("https:") ? new Request(`http:${request.url.slice("https:".length)}`, request) : request;
}

/** True if a request can be sent once more after an attempt failed. `untouched`: no byte of that attempt can have reached the program. */
export function canRepeat(request: Request, untouched: boolean): boolean {
  if (request.bodyUsed) return false;
  return untouched || IDEMPOTENT.has(request.method);
}
