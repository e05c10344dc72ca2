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
    throw new LongshoreError(
      "UNAVAILABLE",
      `The engine at ${socket} did not answer: ${error instanceof Error ? error.message : String(error)}.`,
      {
        cause: error,
        hint: 'See whether it is well with "longshore status".',
      },
    );
  }
}

function failure(response: HttpResponse, doing: string, code: "UNAVAILABLE" | "CONFLICT" = "UNAVAILABLE"): LongshoreError {
  const text = response.body.toString("utf8").trim().slice(0, 500);
  return new LongshoreError(code, `The engine could not ${doing} (HTTP ${response.status}): ${text}`);
}
