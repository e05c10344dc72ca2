import { once } from "node:events";
import { request as httpRequestTo, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import { type HttpResponse, httpRequest } from "./http-request.js";

/** A container as the Docker API lists it; more fields than these may be there. */
export interface EngineContainer {
  readonly Id: string;
  readonly Names?: readonly string[];
  readonly Image?: string;
  readonly Command?: string;
  readonly Created?: number;
  readonly State?: string;
  readonly Status?: string;
}

const TIMEOUT_MS = 30_000;
/** For an image of several gigabytes on a slow disk. */
const LOAD_TIMEOUT_MS = 10 * 60_000;

/** The engine's containers. Without an engine there are none. Errors: `UNAVAILABLE` when the engine fails. */
export async function listContainers(
  socket: string | undefined,
  all: boolean,
  filters: Readonly<Record<string, readonly string[]>>,
): Promise<EngineContainer[]> {
  const query = new URLSearchParams({ all: all ? "1" : "0", filters: JSON.stringify(filters) });
  const response = await ask(socket, "GET", `/containers/json?${query}`);
  if (response === undefined) return [];
  if (response.status !== 200) throw failure(response, "list its containers");
  return JSON.parse(response.body.toString("utf8")) as EngineContainer[];
}

/** Removes a container; `missing` when there is no such container, or no engine. Errors: `CONFLICT` when it runs and `force` is not set. */
export async function removeContainer(socket: string | undefined, id: string, force: boolean): Promise<"removed" | "missing"> {
  const response = await ask(socket, "DELETE", `/containers/${encodeURIComponent(id)}?force=${force ? "1" : "0"}`);
  if (response === undefined || response.status === 404) return "missing";
  if (response.status === 409) throw failure(response, `remove ${id}`, "CONFLICT");
  if (response.status >= 300) throw failure(response, `remove ${id}`);
  return "removed";
}

/** Names of the images that the engine has on its own, with tags. Without an engine there are none. Errors: `UNAVAILABLE`. */
export async function listImageNames(socket: string): Promise<string[]> {
  const response = await ask(socket, "GET", "/images/json");
  if (response === undefined) return [];
  if (response.status !== 200) throw failure(response, "list its images");
  return (JSON.parse(response.body.toString("utf8")) as { RepoTags?: string[] }[]).flatMap(({ RepoTags }) => RepoTags ?? []);
}

/** Gives an image of the engine's one more name; returns false when there is no such image, or no engine. Errors: `UNAVAILABLE`. */
export async function tagEngineImage(socket: string, name: string, repository: string, tag: string): Promise<boolean> {
  const response = await ask(socket, "POST", `/images/${name}/tag?${new URLSearchParams({ repo: repository, tag })}`);
  if (response === undefined || response.status === 404) return false;
  if (response.status >= 300) throw failure(response, `tag the image ${name}`);
  return true;
}

/** The names of an image of the engine's; none when there is no such image. Errors: `UNAVAILABLE`. */
export async function engineImageNames(socket: string, name: string): Promise<string[]> {
  const response = await ask(socket, "GET", `/images/${name}/json`);
  return response?.status === 200 ? ((JSON.parse(response.body.toString("utf8")) as { RepoTags?: string[] }).RepoTags ?? []) : [];
}

/** Takes a name, and with its last one the image, from the engine; one that is not there is fine. Errors: `UNAVAILABLE`. */
export async function removeEngineImage(socket: string, name: string): Promise<void> {
  const response = await ask(socket, "DELETE", `/images/${name}?force=1`);
  if (response !== undefined && response.status >= 300 && response.status !== 404) throw failure(response, `remove the image ${name}`);
}

/** A blob as an image's manifest names it. */
export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** How the engine has a layer, by the digest of its plain bytes; `undefined` when it does not. Errors: `UNAVAILABLE`. */
export async function engineLayer(socket: string, diffId: string): Promise<BlobDescriptor | undefined> {
  const response = await ask(socket, "GET", `/longshore/layers/${diffId}`);
  return response?.status === 200 ? (JSON.parse(response.body.toString("utf8")) as BlobDescriptor) : undefined;
}

/** Errors: `UNAVAILABLE` when no engine answers on the socket. */
export async function requireEngine(socket: string): Promise<void> {
  if ((await ask(socket, "GET", "/_ping"))?.status === 200) return;
  throw new LongshoreError("UNAVAILABLE", `No engine answers on ${socket}, so it cannot be given the image.`, {
    hint: 'Start one with "longshore up", or use "longshore dev", which brings its own.',
  });
}

/** Gives the engine the images of an archive. Errors: `UNAVAILABLE`, with what the engine says. */
export async function loadArchive(socket: string, archive: Readable): Promise<void> {
  const request = httpRequestTo({
    socketPath: socket,
    method: "POST",
    path: "/images/load",
    headers: { host: "engine", "content-type": "application/x-tar" },
  });
  const signal = AbortSignal.timeout(LOAD_TIMEOUT_MS);
  const sent = pipeline(archive, request, { signal });
  // It is looked at when there is an answer; an engine that ends fails both.
  sent.catch(() => undefined);
  try {
    const [response] = (await once(request, "response", { signal })) as [IncomingMessage];
    const body = await buffer(response);
    if (response.statusCode !== 200) throw failure({ status: response.statusCode ?? 0, headers: response.headers, body }, "take the image");
    await sent;
  } catch (error) {
    throw error instanceof LongshoreError ? error : noAnswer(socket, error);
  } finally {
    archive.destroy();
    request.destroy();
  }
}

async function ask(socket: string | undefined, method: string, path: string): Promise<HttpResponse | undefined> {
  if (socket === undefined) return undefined;
  try {
    return await httpRequest({
      socketPath: socket,
      method,
      path,
      headers: { host: "engine" },
      tls: false,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    // No socket, or nobody behind it: the engine is not up, so it has no containers.
    if (isErrno(error, "ENOENT") || isErrno(error, "ECONNREFUSED")) return undefined;
    throw noAnswer(socket, error);
  }
}

function noAnswer(socket: string, cause: unknown): LongshoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LongshoreError("UNAVAILABLE", `The engine at ${socket} did not answer: ${reason}.`, {
    cause,
    hint: 'See whether it is well with "longshore status".',
  });
}

function failure(response: HttpResponse, doing: string, code: "UNAVAILABLE" | "CONFLICT" = "UNAVAILABLE"): LongshoreError {
  const text = response.body.toString("utf8").trim().slice(0, 500);
  return new LongshoreError(code, `The engine could not ${doing} (HTTP ${response.status}): ${text}`);
}
