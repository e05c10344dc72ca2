import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { allows, type Engine, type InstanceInfo, LongshoreError } from "@longshore/contract";
import { ContainersError } from "../api/errors.js";
import { type ShellKeys, shellKeys } from "../model/shell-keys.js";
import type { Identity, ShellServer } from "../options.js";
import type { ApiTokens } from "../state/api-tokens.js";
import type { Store } from "../state/store.js";
import type { Tokens } from "../state/tokens.js";

/** Time to connect, in milliseconds; the connection itself may last. */
const LIFETIME_MS = 2 * 60_000;
const PATH = /^\/ssh\/([0-9a-f-]{36})$/;

export interface ShellsParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly server: ShellServer;
  readonly apiTokens: ApiTokens;
  readonly tokens: Tokens;
}

/** Shells in containers, for those whose tokens may change them, in applications whose configuration says so (spec 23). */
export class Shells {
  readonly #parts: ShellsParts;
  readonly #open = new Map<Disposable, string>();

  constructor(parts: ShellsParts) {
    this.#parts = parts;
  }

  /**
   * A token to connect to an instance with, by its id or its Durable Object's. Errors: `INSTANCE_NOT_FOUND`, `INSTANCE_NOT_RUNNING`, `SSH_NOT_ENABLED`.
   */
  async begin(id: string, caller: Identity): Promise<{ readonly instance: string; readonly token: string }> {
    const { instance } = await this.#find(id);
    return { instance: instance.id, token: this.#parts.tokens.sign({ instance: instance.id, token: caller.tokenId }, LIFETIME_MS) };
  }

  /** Takes a connection over if it is one to an instance; false when it is not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const id = PATH.exec(request.url ?? "")?.[1];
    if (id === undefined) return false;
    socket.on("error", () => socket.destroy());
    this.#connect(id, request, socket, head).catch((error: unknown) => {
      const status = error instanceof LongshoreError ? error.status : 500;
      socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
    return true;
  }

  /** Ends the connections that were begun with a token. */
  endOf(tokenId: string): void {
    for (const [connection, owner] of this.#open) if (owner === tokenId) connection[Symbol.dispose]();
  }

  async #connect(id: string, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const given = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const { instance: wanted, token: tokenId } = this.#parts.tokens.verify(given);
    if (wanted !== id) throw notForThis();
    const { instance, keys } = await this.#find(id);
    const { engine, server } = this.#parts;
    // Last, so that a token that is revoked meanwhile opens nothing: from the next line on, revoking it ends the connection.
    const caller = (await this.#parts.apiTokens.credentials(String(tokenId)))?.identity;
    if (caller === undefined || !allows(caller.scopes, "containers", "write")) throw notForThis();
    const container = `workerd-${instance.namespaceId}-${instance.durableObjectId}`;
    const connection = server.accept(request, socket, head, { ...keys, container, socketPath: engine.socketPath(instance.tenant) });
    this.#open.set(connection, caller.tokenId);
    socket.once("close", () => this.#open.delete(connection));
  }

  async #find(id: string): Promise<{ instance: InstanceInfo; keys: ShellKeys }> {
    const all = (await this.#parts.engine.instances()).filter((each) => each.id === id || each.durableObjectId === id);
    const instance = all.find(({ status }) => status === "running" || status === "frozen") ?? all.at(-1);
    if (instance === undefined) throw new ContainersError("INSTANCE_NOT_FOUND", { id: `There is no instance ${JSON.stringify(id)}.` });
    if (instance.status !== "running" && instance.status !== "frozen") {
      throw new ContainersError("INSTANCE_NOT_RUNNING", { status: `The instance is ${instance.status}; a shell does not start it.` });
    }
    const application = (await this.#parts.store.applications.get(instance.applicationId))?.value;
    const keys = application === undefined ? undefined : shellKeys(application.live.configuration);
    if (keys === undefined) {
      throw new ContainersError(
        "SSH_NOT_ENABLED",
        { ssh: "The application's configuration does not allow SSH." },
        { hint: 'Set "ssh": { "enabled": true } (older wranglers: "wrangler_ssh") for the container, and deploy again.' },
      );
    }
    return { instance, keys };
  }
}

function notForThis(): LongshoreError {
  return new LongshoreError("FORBIDDEN", "The token is not for this instance.");
}
