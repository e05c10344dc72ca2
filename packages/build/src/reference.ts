import { LongshoreError } from "@longshore/contract";

/** An image reference with nothing left to guess: a registry host always, and a tag or a digest (a digest wins, as in Docker). */
export interface ImageReference {
  /** `docker.io`, `127.0.0.1:5000`, … */
  readonly host: string;
  /** `library/node`, `<account>/hello`, … */
  readonly path: string;
  readonly tag: string | undefined;
  /** `sha256:<64 hex>` */
  readonly digest: string | undefined;
}

const PATH_PATTERN = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST_PATTERN = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;
const TAG_PATTERN = /^\w[\w.-]{0,127}$/;
const DIGEST_PATTERN = /^sha256:[0-9a-f]{64}$/;

/** Reads a reference by Docker's rules: `node:20-slim` is `docker.io/library/node:20-slim`. Errors: `INVALID_INPUT`. */
export function parseReference(text: string): ImageReference {
  const [named = "", digest, ...more] = text.split("@");
  const slash = named.indexOf("/");
  const first = slash < 0 ? "" : named.slice(0, slash);
  const hasHost = first === "localhost" || /[.:]/.test(first);
  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(":");
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);

  const valid =
    more.length === 0 &&
    (!hasHost || HOST_PATTERN.test(first)) &&
    PATH_PATTERN.test(path) &&
    (tag === undefined || TAG_PATTERN.test(tag)) &&
    (digest === undefined || DIGEST_PATTERN.test(digest));
  if (!valid) {
    throw new LongshoreError("INVALID_INPUT", `"${text}" is not an image reference.`, {
      hint: "Write it as [HOST/]NAME[:TAG], with the name in lower case, or as [HOST/]NAME@sha256:DIGEST.",
    });
  }
  const host = hasHost ? first : "docker.io";
  return {
    host: host === "index.docker.io" ? "docker.io" : host,
    path: host === "docker.io" && !path.includes("/") ? `library/${path}` : path,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest,
  };
}

/** `HOST/path`, without tag and digest. */
export function repositoryOf(reference: ImageReference): string {
  return `${reference.host}/${reference.path}`;
}

/** The reference written out in full: the only form that is handed to buildah, which guesses differently from Docker. */
export function fullName(text: string): string {
  const reference = parseReference(text);
  const repository = repositoryOf(reference);
  return reference.digest === undefined ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`;
}

/** The name as Docker shows it: `docker.io/library/node:20-slim` is `node:20-slim`. */
export function familiarName(full: string): string {
  return full.replace(/^docker\.io\/(?:library\/)?/, "");
}

/** True when the registry is on this machine, where plain HTTP and a self-signed certificate are fine, as they are for Docker. */
export function isLoopbackHost(host: string): boolean {
  const name = host.startsWith("[") ? host.slice(1, host.indexOf("]")) : host.replace(/:\d+$/, "");
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(?:\.\d{1,3}){3}$/.test(name);
}
