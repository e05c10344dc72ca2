/** What a request's target and Host say. `path` begins with a slash. */
export interface Address {
  /** As the client wrote it, with the port. */
  readonly authority: string;
  /** Lower case, without port and closing dot. */
  readonly host: string;
  readonly path: string;
}

/**
 * Reads a request's target and `Host`. A whole URL as target wins over `Host` (RFC 9112, 3.2.2). Undefined when they make no sense, such as two hosts
 * or a target that is no path.
 */
export function readAddress(target: string, rawHeaders: readonly string[]): Address | undefined {
  let authority: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (authority !== undefined) return undefined;
    authority = rawHeaders[index + 1];
  }
  let path = target;
  if (!target.startsWith("/")) {
    if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return undefined;
    const url = new URL(target);
    if (url.username !== "" || url.password !== "") return undefined;
    authority = url.host;
    path = url.pathname + url.search;
  }
  // Nothing that could end a request's line; what is left of it is the Worker's business.
  if (!/^[!-~\x80-\xff]+$/.test(path)) return undefined;
  if (authority === undefined || !/^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i.test(authority)) return undefined;
  const host = authority
    .replace(/:\d{1,5}$/, "")
    .replace(/\.$/, "")
    .toLowerCase();
  return { authority, host, path };
}

/** The script in `<script>.<domain>`, or undefined for any other host. */
export function scriptOfHost(host: string, domain: string): string | undefined {
  if (!host.endsWith(`.${domain}`)) return undefined;
  const script = host.slice(0, -domain.length - 1);
  return script === "" || script.includes(".") ? undefined : script;
}
