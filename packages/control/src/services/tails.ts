import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type KeyedMutex, LongshoreError, type TraceSource } from "@longshore/contract";
import { TailSocket } from "../api/tail-socket.js";
import { passes, type TailFilter } from "../model/tail-filters.js";
import type { Clock, Log } from "../options.js";
import type { ApiTokens } from "../state/api-tokens.js";
import type { Store } from "../state/store.js";
import type { Releases } from "./releases.js";

/** As long as a tail lasts that nobody ends, in milliseconds. */
const LIFETIME_MS = 6 * 60 * 60_000;

export interface Tail {
  readonly id: string;
  readonly script: string;
  readonly filters: readonly TailFilter[];
  readonly expiresAt: number;
  /** The token that it was begun with. */
  readonly tokenId: string;
}

interface Session extends Tail {
  socket?: TailSocket;
  timer: NodeJS.Timeout;
}

export interface TailsParts {
  readonly store: Store;
  readonly releases: Releases;
  readonly workers: TraceSource;
  readonly apiTokens: Pick<ApiTokens, "credentials">;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
  readonly log: Log;
}

/** People who watch what Workers do. Tails end with the server: their clients begin new ones. */
export class Tails implements Disposable {
  readonly #parts: TailsParts;
  readonly #sessions = new Map<string, Session>();

  constructor(parts: TailsParts) {
    this.#parts = parts;
  }

  /**
   * A tail that waits for its client. A Worker that was not started so that it can be watched (its `observability` is off) is replaced once.
   * Errors: `NOT_FOUND`, `UNAUTHORIZED` when the token was revoked meanwhile.
   */
  async begin(script: string, filters: readonly TailFilter[], tokenId: string): Promise<Tail> {
    const { store, releases, apiTokens, locks, clock } = this.#parts;
    await locks.run(script, async () => {
      const { value: head } = await store.head(script);
      if (!releases.watch(script)) return;
      await releases.run(head, await store.activeVersion(head));
    });
    // The client has no other secret to show when it connects.
    const id = randomBytes(16).toString("hex");
    const timer = setTimeout(() => this.end(id), LIFETIME_MS).unref();
    const session = { id, script, filters, expiresAt: clock() + LIFETIME_MS, tokenId, timer };
    this.#sessions.set(id, session);
    // From here on revoking the token ends it. Before, while the Worker was replaced, nobody knew of it.
    if ((await apiTokens.credentials(tokenId)) === undefined) {
      this.end(id);
      throw new LongshoreError("UNAUTHORIZED", "The API token was revoked, or has expired.");
    }
    return session;
  }

  /** The tails that a script has. */
  of(script: string): Tail[] {
    return [...this.#sessions.values()].filter((each) => each.script === script);
  }

  /** Ending what has ended is fine. */
  end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    clearTimeout(session.timer);
    this.#sessions.delete(id);
    session.socket?.close(1000);
  }

  /** Ends those that were begun with a token. */
  endOf(tokenId: string): void {
    for (const each of this.#sessions.values()) if (each.tokenId === tokenId) this.end(each.id);
  }

  /** Takes a connection over if it is a tail's; false when it is not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const id = /^\/tails\/([0-9a-f]{32})$/.exec(request.url ?? "")?.[1];
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session === undefined || session.socket !== undefined) return false;
    const self = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
    this.#connect(session, request, socket, head, self).catch((error: unknown) => {
      this.#parts.log.error("a tail could not begin", { script: session.script, error });
      socket.destroy();
    });
    return true;
  }

  async #connect(session: Session, request: IncomingMessage, socket: Duplex, head: Buffer, self: string): Promise<void> {
    const { script, filters } = session;
    const listening = await this.#parts.workers.traces(script, (event) => {
      if (passes(event, filters, self, Math.random())) session.socket?.send(JSON.stringify(event));
    });
    // The client may have gone meanwhile, the tail may have been ended, and another connection may have been quicker.
    if (socket.destroyed || this.#sessions.get(session.id) !== session || session.socket !== undefined) {
      listening[Symbol.dispose]();
      socket.destroy();
      return;
    }
    session.socket = new TailSocket(request, socket, head, () => {
      listening[Symbol.dispose]();
      delete session.socket;
    });
  }

  [Symbol.dispose](): void {
    for (const id of this.#sessions.keys()) this.end(id);
  }
}
