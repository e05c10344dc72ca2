import type { WorkerUpstream } from "@longshore/contract";
import type { Lane } from "./lane.js";
import { heldTooLong, invalidRequest, lostProcess, type Page, unavailable, unknownHost } from "./pages.js";
import { ClientFault } from "./request-body.js";
import type { ClientResponse } from "./response.js";

/** How one try to pass a request on ended. `failed`: no byte of an answer came; `sent`: the request may have reached the Worker. */
export type Outcome = { readonly kind: "done" } | { readonly kind: "failed"; readonly error: Error; readonly sent: boolean };

export const DONE: Outcome = { kind: "done" };

/** One request between its client and its script. */
export interface Exchange {
  readonly response: ClientResponse;
  readonly lane: Lane;
  readonly host: string;
  /** Doing it twice is the same as doing it once, and it has no body that is gone once sent. */
  readonly repeatable: boolean;
  /** True while the client still has some of its body to send. */
  readonly uploading: () => boolean;
  /** Passes the request to the workerd at this socket, once. */
  attempt(socketPath: string): Promise<Outcome>;
}

export interface ExchangeOptions {
  readonly upstream: WorkerUpstream;
  readonly domain: string;
  /** Longest time that a request is held, in milliseconds, over all its waits. */
  readonly holdDeadlineMs: number;
}

/** How undici and Node.js refuse to write a request that could be read as another one. */
const INVALID: ReadonlySet<string> = new Set([
  "UND_ERR_INVALID_ARG",
  "ERR_INVALID_CHAR",
  "ERR_UNESCAPED_CHARACTERS",
  "ERR_INVALID_HTTP_TOKEN",
]);
/** A full backlog has no event that says it is not any more, so it is tried again after this many milliseconds. */
const FULL_BACKLOG_MS = 20;

/**
 * Passes a request on, through holds and restarts, until it is answered. Returns the page to answer with when it cannot be, undefined when it was
 * (or nobody waits for an answer any more).
 */
export async function conduct(exchange: Exchange, { upstream, domain, holdDeadlineMs }: ExchangeOptions): Promise<Page | undefined> {
  const { lane, response } = exchange;
  let deadline: number | undefined;
  let sentBefore = false;
  /** False when the time is up. */
  const wait = async (atMostMs = Number.POSITIVE_INFINITY): Promise<boolean> => {
    deadline ??= Date.now() + holdDeadlineMs;
    await lane.nextEvent(Math.min(atMostMs, deadline - Date.now()));
    return Date.now() < deadline;
  };

  for (;;) {
    if (response.destroyed) return undefined;
    if (lane.held) {
      if (await wait()) continue;
      return heldTooLong(lane.script, holdDeadlineMs);
    }
    const way = upstream.upstream(lane.script);
    if (way === undefined) return unknownHost(exchange.host, domain);
    if ("unavailable" in way) return unavailable(way.unavailable);

    const { generation } = lane;
    const leave = lane.enter(() => response.headersSent || exchange.uploading());
    const outcome = await exchange.attempt(way.socketPath).finally(leave);
    if (outcome.kind === "done") return undefined;

    const { error, sent } = outcome;
    if (error instanceof ClientFault) return error.page;
    const code = codeOf(error);
    if (code !== undefined && INVALID.has(code)) return invalidRequest;
    if (sent) {
      if (!exchange.repeatable || sentBefore) return lostPage(exchange, upstream);
      sentBefore = true;
    } else if (lane.generation === generation && !(await wait(code === "EAGAIN" ? FULL_BACKLOG_MS : undefined))) {
      return heldTooLong(lane.script, holdDeadlineMs);
    }
  }
}

function lostPage({ lane }: Exchange, upstream: WorkerUpstream): Page {
  const way = upstream.upstream(lane.script);
  return way !== undefined && "unavailable" in way ? unavailable(way.unavailable) : lostProcess(lane.script);
}

function codeOf(error: Error): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
