import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "./build-root.js";
import { type HttpResponse, httpRequest } from "./http-request.js";
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
 * Errors: `NOT_FOUND`, `UNAUTHORIZED` (log in first), `UNAVAILABLE` when the registry cannot be reached or fails.
 */
export async function fetchManifest(root: BuildRoot, reference: ImageReference): Promise<RemoteManifest> {
  const what = `${reference.host}/${reference.path}${reference.digest === undefined ? `:${reference.tag}` : `@${reference.digest}`}`;
  const path = `/v2/${reference.path}/manifests/${reference.digest ?? reference.tag}`;
  const credentials = await storedCredentials(root, reference.host);
  const basic = credentials === undefined ? undefined : `Basic ${credentials}`;

  let response = await ask(reference.host, path, basic);
  if (response.status === 401) {
    const bearer = await bearerToken(response.headers["www-authenticate"], basic);
    if (bearer !== undefined) response = await ask(reference.host, path, `Bearer ${bearer}`);
  }
  if (response.status === 404) throw new LongshoreError("NOT_FOUND", `The registry ${reference.host} has no ${what}.`);
  if (response.status === 401 || response.status === 403) {
    throw new LongshoreError("UNAUTHORIZED", `The registry ${reference.host} refused to show ${what} (HTTP ${response.status}).`, {
      hint: `Log in with a user who may read it: "login ${reference.host}".`,
    });
  }
  if (response.status !== 200) {
    throw new LongshoreError("UNAVAILABLE", `The registry ${reference.host} answered HTTP ${response.status} for ${what}.`);
  }
  const digest = `sha256:${createHash("sha256").update(response.body).digest("hex")}`;
  if (reference.digest !== undefined && digest !== reference.digest) {
    throw new LongshoreError("INTERNAL", `The registry ${reference.host} sent something else for ${what}: its digest is ${digest}.`);
  }
  return { digest, mediaType: response.headers["content-type"]?.split(";")[0] ?? "", bytes: response.body };
}

async function ask(host: string, path: string, authorization: string | undefined): Promise<HttpResponse> {
  const url = new URL(`https://${host === "docker.io" ? "registry-1.docker.io" : host}${path}`);
  const loopback = isLoopbackHost(host);
  const headers = { accept: MANIFEST_TYPES.join(", "), ...(authorization === undefined ? {} : { authorization }) };
  const common = { hostname: url.hostname.replace(/^\[|\]$/g, ""), path: url.pathname, headers, timeoutMs: TIMEOUT_MS };
  try {
    return await httpRequest({ ...common, port: url.port || 443, secure: true, rejectUnauthorized: !loopback });
  } catch (error) {
    if (!loopback || isErrno(error, "ECONNREFUSED")) throw unreachable(host, error);
  }
  try {
    return await httpRequest({ ...common, port: url.port || 80, secure: false });
  } catch (error) {
    throw unreachable(host, error);
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
async function bearerToken(challenge: string | undefined, authorization: string | undefined): Promise<string | undefined> {
  if (challenge === undefined || !/^bearer\s/i.test(challenge)) return undefined;
  const fields = new Map([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
  const realm = fields.get("realm");
  if (realm === undefined) return undefined;
  const url = new URL(realm);
  const loopback = isLoopbackHost(url.host);
  // Credentials only ever leave this machine encrypted.
  if (url.protocol !== "https:" && !loopback) return undefined;
  for (const name of ["service", "scope"]) {
    const value = fields.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const secure = url.protocol === "https:";
  const response = await httpRequest({
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (secure ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: authorization === undefined ? {} : { authorization },
    secure,
    rejectUnauthorized: !loopback,
    timeoutMs: TIMEOUT_MS,
  });
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
