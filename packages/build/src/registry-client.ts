import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "./build-root.js";
import { type HttpResponse, httpRequest } from "./http-request.js";
import { proxyFor, tunnel } from "./proxy.js";
import { type ImageReference, isLoopbackHost } from "./reference.js";

/** A manifest or an index as a registry serves it. */
export interface RemoteManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const TIMEOUT_MS = 30_000;

/**
 * Asks the registry for a manifest. On loopback TLS is not verified, and plain HTTP is tried when TLS is not spoken.
 * Errors: `NOT_FOUND`, `UNAUTHORIZED` (log in first), `UNAVAILABLE` when the registry cannot be reached, fails or is aborted.
 */
export async function fetchManifest(
  root: BuildRoot,
  reference: ImageReference,
  signal: AbortSignal = AbortSignal.timeout(TIMEOUT_MS),
): Promise<RemoteManifest> {
  const { host } = reference;
  const what = `${host}/${reference.path}${reference.digest === undefined ? `:${reference.tag}` : `@${reference.digest}`}`;
  const url = new URL(`https://${host === "docker.io" ? "registry-1.docker.io" : host}`);
  url.pathname = `/v2/${reference.path}/manifests/${reference.digest ?? reference.tag}`;
  const credentials = await storedCredentials(root, host);
  const basic = credentials === undefined ? undefined : `Basic ${credentials}`;

  let response = await ask(root, url, basic, signal);
  if (response.status === 401) {
    const token = await bearerToken(root, response.headers["www-authenticate"], basic, signal);
    if (token !== undefined) response = await ask(root, url, `Bearer ${token}`, signal);
  }
  if (response.status === 404) throw new LongshoreError("NOT_FOUND", `The registry ${host} has no ${what}.`);
  if (response.status === 401 || response.status === 403) {
    throw new LongshoreError("UNAUTHORIZED", `The registry ${host} refused to show ${what} (HTTP ${response.status}).`, {
      hint: `Log in with a user who may read it: "login ${host}".`,
    });
  }
  if (response.status !== 200)
    throw new LongshoreError("UNAVAILABLE", `The registry ${host} answered HTTP ${response.status} for ${what}.`);
  const digest = `sha256:${createHash("sha256").update(response.body).digest("hex")}`;
  if (reference.digest !== undefined && digest !== reference.digest) {
    throw new LongshoreError("INTERNAL", `The registry ${host} sent something else for ${what}: its digest is ${digest}.`);
  }
  return { digest, mediaType: response.headers["content-type"]?.split(";")[0] ?? "", bytes: response.body };
}

/** One GET, through the proxy if there is one for the host. */
async function ask(root: BuildRoot, url: URL, authorization: string | undefined, signal: AbortSignal): Promise<HttpResponse> {
  const loopback = isLoopbackHost(url.host);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const headers = { host: url.host, accept: MANIFEST_TYPES.join(", "), ...(authorization === undefined ? {} : { authorization }) };
  const common = { hostname, path: `${url.pathname}${url.search}`, headers, signal };
  const port = Number(url.port || 443);
  try {
    if (url.protocol === "https:") {
      const proxy = proxyFor(hostname, port, root.environment);
      const connection = proxy === undefined ? {} : { socket: await tunnel(proxy, `${hostname}:${port}`, signal), servername: hostname };
      const trust = loopback ? { rejectUnauthorized: false } : await machineCertificates(root);
      return await httpRequest({ ...common, ...connection, ...trust, port, tls: true });
    }
  } catch (error) {
    if (!loopback || isErrno(error, "ECONNREFUSED") || signal.aborted) throw unreachable(url.host, error);
  }
  try {
    return await httpRequest({ ...common, port: Number(url.port || 80), tls: false });
  } catch (error) {
    throw unreachable(url.host, error);
  }
}

/** The authorities that buildah trusts, so that a registry is reachable for both or for neither; Node's own where the machine has none. */
async function machineCertificates(root: BuildRoot): Promise<{ ca?: string }> {
  try {
    return { ca: await readFile(root.environment.SSL_CERT_FILE ?? "/etc/ssl/certs/ca-certificates.crt", "utf8") };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return {};
    throw error;
  }
}

function unreachable(host: string, cause: unknown): LongshoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LongshoreError("UNAVAILABLE", `The registry ${host} cannot be reached: ${reason}.`, {
    cause,
    hint: "Check the host name and port, and that the registry runs.",
  });
}

/** Follows a `Bearer realm=…` challenge; `undefined` for any other one, or when no token is given out. */
async function bearerToken(
  root: BuildRoot,
  challenge: string | undefined,
  authorization: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (challenge === undefined || !/^bearer\s/i.test(challenge)) return undefined;
  const fields = new Map([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
  const realm = fields.get("realm");
  if (realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  // Credentials leave this machine encrypted or not at all.
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopbackHost(url.host))) return undefined;
  for (const name of ["service", "scope"]) {
    const value = fields.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const response = await ask(root, url, authorization, signal);
  if (response.status !== 200) return undefined;
  const answer = JSON.parse(response.body.toString("utf8")) as { token?: string; access_token?: string };
  return answer.token ?? answer.access_token;
}

/** The base64 `user:password` that `login` left for a host. */
async function storedCredentials(root: BuildRoot, host: string): Promise<string | undefined> {
  try {
    const file = JSON.parse(await readFile(root.authFile, "utf8")) as { auths?: Record<string, { auth?: string }> };
    return file.auths?.[host]?.auth;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
