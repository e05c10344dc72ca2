import { randomBytes } from "node:crypto";
import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../engine.js";
import type { Instance } from "../instance/instance.js";
import { PublishedListener } from "../network/published-port.js";
import type { TenantHost } from "../tenant/tenant-host.js";
import { askedSize, type CreateBody, runOf } from "./create-body.js";
import { prepareOwn } from "./own-image.js";
import { OWN_TENANT, type OwnRun, ownClass, ownSize } from "./run.js";

/**
 * Containers that the machine's owner starts with the `docker` command. They are instances like an application's, of a tenant that is made with the
 * first of them and stays. A container that has ended can be started again: with a new disk, as the platform's containers have.
 */
export class OwnContainers implements Disposable {
  readonly #engine: ContainerEngine;
  readonly #published = new Map<string, PublishedListener[]>();
  readonly #adopted = (instance: Instance) => this.#watch(instance);
  #opening: Promise<TenantHost> | undefined;

  /** Takes those of an engine before this one back into its care. */
  constructor(engine: ContainerEngine) {
    this.#engine = engine;
    for (const instance of engine.containers.byId.values()) {
      this.#watch(instance);
      if (instance.live && instance.status !== "created") {
        this.#publish(instance).catch((error: unknown) =>
          engine.parts.log("a published port is lost", { id: instance.record.id, error: String(error) }),
        );
      }
    }
    engine.containers.adopted.add(this.#adopted);
  }

  /**
   * Makes a container; it is not started. Errors: `NOT_FOUND` (no such image on this machine), `CONFLICT` (the name is taken), `INVALID_INPUT`,
   * and those of making a sandbox.
   */
  async create(name: string | undefined, body: CreateBody): Promise<Instance> {
    const { reference, image } = await prepareOwn(this.#engine.parts, body.Image);
    const run = runOf(body, image.config, ownSize(image.sizeBytes, askedSize(body)));
    return await this.#make(name ?? `run-${randomBytes(4).toString("hex")}`, reference, run);
  }

  /** Starts a container, or one that has ended anew. Errors: `CONFLICT` (a port is taken), `UNSUPPORTED` for an application's. */
  async start(instance: Instance): Promise<Instance> {
    if (instance.live && instance.status !== "created") return instance;
    const again = instance.status === "exited" ? await this.#again(instance) : instance;
    await this.#publish(again);
    try {
      again.start();
    } catch (error) {
      this.#unpublish(again);
      throw error;
    }
    return again;
  }

  /** The ports of the host that lead to a container now. */
  published(instance: Instance): readonly PublishedListener[] {
    return this.#published.get(instance.record.id) ?? [];
  }

  [Symbol.dispose](): void {
    this.#engine.containers.adopted.delete(this.#adopted);
    for (const listeners of this.#published.values()) for (const listener of listeners) listener[Symbol.dispose]();
  }

  async #again({ record }: Instance): Promise<Instance> {
    if (record.own === undefined) {
      throw new LongshoreError("UNSUPPORTED", `The container ${record.id} is an application's, which alone starts it.`, {
        hint: "Send the application a request.",
      });
    }
    // Not by its name, which may be another image's by now.
    const { reference } = await prepareOwn(this.#engine.parts, record.imageDigest);
    return await this.#make(record.name, reference, record.own);
  }

  async #make(name: string, reference: string, run: OwnRun): Promise<Instance> {
    const tenant = await this.#tenant();
    const taken = [...this.#engine.containers.byId.values()].find(
      ({ record, live }) => record.name === name && (live || record.own !== run),
    );
    if (taken !== undefined) {
      throw new LongshoreError("CONFLICT", `The name "${name}" is taken by the container ${taken.record.id}.`, {
        hint: "Remove that one, or choose another name.",
      });
    }
    const owner = { tenant: OWN_TENANT, name, durableObjectId: "", containerClass: ownClass(reference, run.size) };
    const { entrypoint, command, environment, labels } = run;
    return await this.#engine.containers.createFor(tenant, owner, { command: [...entrypoint, ...command], environment, labels, own: run });
  }

  async #tenant(): Promise<TenantHost> {
    const find = () => this.#engine.tenants.get(OWN_TENANT);
    const existing = find();
    if (existing !== undefined) return existing;
    this.#opening ??= this.#engine
      .putTenant({ id: OWN_TENANT, classes: [] })
      .then(() => {
        const made = find();
        if (made === undefined) throw new LongshoreError("UNAVAILABLE", "The engine is shutting down.");
        return made;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return await this.#opening;
  }

  #watch(instance: Instance): void {
    const { own, tenant } = instance.record;
    if (own === undefined) return;
    void instance.exited.then(async () => {
      this.#unpublish(instance);
      const host = own.autoRemove ? this.#engine.tenants.get(tenant) : undefined;
      if (host === undefined) return;
      await this.#engine.containers.remove(host, instance).catch((error: unknown) => {
        this.#engine.parts.log("a container could not be removed after its end", { id: instance.record.id, error: String(error) });
      });
    });
  }

  async #publish(instance: Instance): Promise<void> {
    const { id, own } = instance.record;
    if (own === undefined || own.ports.length === 0) return;
    const listeners: PublishedListener[] = [];
    this.#published.set(id, listeners);
    try {
      for (const { containerPort, hostIp, hostPort } of own.ports) {
        listeners.push(await PublishedListener.listen(instance, containerPort, hostIp, hostPort));
      }
      // Which of the free ones it was is remembered, with the change of state that follows, for the next engine.
      const ports = own.ports.map((port, at) => ({ ...port, hostPort: listeners[at]?.hostPort ?? port.hostPort }));
      instance.record.own = { ...own, ports };
    } catch (error) {
      this.#unpublish(instance);
      throw error;
    }
  }

  #unpublish(instance: Instance): void {
    const { id } = instance.record;
    for (const listener of this.#published.get(id) ?? []) listener[Symbol.dispose]();
    this.#published.delete(id);
  }
}
