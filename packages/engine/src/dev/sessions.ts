import type { Socket } from "node:net";
import { type ContainerClass, instanceSize, LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../engine.js";
import { isAlive } from "../sys/process.js";
import { splitContainerName, type TenantHost } from "../tenant/tenant-host.js";
import { callersKeeper, keeperOf, tenantOf } from "./caller.js";

/** wrangler does not say which instance type an application has in development. */
const SIZE = instanceSize("standard");
const MAX_INSTANCES = 100;
/** How long after its wrangler a session may be there. A process that is not our child does not tell when it ends. */
const LOOK_EVERY_MS = 1_000;

/**
 * Applications under `wrangler dev`. Nobody deploys them, so workerd's calls say what there is: each session is a tenant, made with the first
 * container, whose classes are those that workerd has named images for.
 *
 * A session belongs to the process that started its workerd, and to the engine of that process's machine: when that process ends, in whichever way, all
 * of the session is removed within two seconds. It outlives the engine, as any tenant does.
 */
export class DevSessions implements AsyncDisposable {
  readonly #engine: ContainerEngine;
  readonly #timer: NodeJS.Timeout;
  readonly #connections = new WeakMap<Socket, string>();
  #closed = false;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(engine: ContainerEngine) {
    this.#engine = engine;
    this.#timer = setInterval(() => void this.sweep(), LOOK_EVERY_MS).unref();
  }

  /** The session that a connection's workerd belongs to; `undefined` when it has none, or it is no workerd's connection. */
  of(socket: Socket): TenantHost | undefined {
    if (![...this.#engine.tenants.keys()].some((id) => keeperOf(id) !== undefined)) return undefined;
    try {
      return this.#engine.tenants.get(this.#tenant(socket));
    } catch (error) {
      if (error instanceof LongshoreError && error.code === "UNAVAILABLE") return undefined;
      throw error;
    }
  }

  /**
   * The session that is to have a container of this name, made if there is none yet.
   * Errors: `INVALID_INPUT` for a name that is not workerd's, `UNAVAILABLE` when whose session it is cannot be told.
   */
  async open(socket: Socket, name: string): Promise<TenantHost> {
    namespaceOf(name);
    const id = this.#tenant(socket);
    return await this.#inTurn(async () => {
      if (!this.#engine.tenants.has(id)) await this.#engine.putTenant({ id, classes: [] });
      return this.#present(id);
    });
  }

  /**
   * Has the class that the name is of start from `image`, which is what the image store calls it, while `make` makes a container of it; `make` is told
   * what the class is called. One at a time: a class may have several images.
   */
  async withClass<T>(session: TenantHost, name: string, image: string, make: (namespaceId: string) => Promise<T>): Promise<T> {
    const namespaceId = namespaceOf(name);
    const { id } = session.config;
    return await this.#inTurn(async () => {
      const { classes } = this.#present(id).config;
      if (!classes.some((known) => known.namespaceId === namespaceId && known.image === image)) {
        const others = classes.filter((known) => known.namespaceId !== namespaceId);
        await this.#engine.putTenant({ id, classes: [...others, classFor(namespaceId, image)] });
      }
      return await make(namespaceId);
    });
  }

  /** Removes the sessions whose process has ended. */
  async sweep(): Promise<void> {
    // Whoever closes the engine decides what becomes of the containers; the next one looks again.
    if (this.#closed) return;
    const ended = [...this.#engine.tenants.keys()].filter((id) => {
      const keeper = keeperOf(id);
      return keeper !== undefined && !isAlive(keeper);
    });
    for (const id of ended) {
      if (this.#closed) return;
      await this.#inTurn(() => this.#engine.deleteTenant(id)).catch((error: unknown) =>
        this.#engine.parts.log("a development session could not be removed", { id, error: String(error) }),
      );
    }
  }

  /** Looks no more, and waits for what is being removed. Sessions stay, for the engine or the next one to decide. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#changing;
  }

  #present(id: string): TenantHost {
    const session = this.#engine.tenants.get(id);
    if (session === undefined) throw new LongshoreError("UNAVAILABLE", "The development session has ended.");
    return session;
  }

  #tenant(socket: Socket): string {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const id = tenantOf(callersKeeper(socket));
    this.#connections.set(socket, id);
    // The sooner its containers are gone, the better.
    socket.once("close", () => void this.sweep());
    return id;
  }

  /** One change after the other: a tenant must not be made while it is being removed. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(work, work);
    this.#changing = turn.catch(() => undefined);
    return await turn;
  }
}

/** Errors: `INVALID_INPUT` for a name that is not workerd's. */
function namespaceOf(name: string): string {
  const namespaceId = splitContainerName(name)?.namespaceId;
  if (namespaceId !== undefined) return namespaceId;
  throw new LongshoreError("INVALID_INPUT", `"${name}" is not a name that workerd gives to a container.`);
}

/** The class as far as it can be known: workerd names it by Worker and class. */
function classFor(namespaceId: string, image: string): ContainerClass {
  const className = namespaceId.slice(namespaceId.lastIndexOf("-") + 1);
  const name = namespaceId.toLowerCase();
  return {
    namespaceId,
    className,
    applicationId: name,
    applicationName: name,
    image,
    size: SIZE,
    maxInstances: MAX_INSTANCES,
    version: 1,
    environment: {},
  };
}
