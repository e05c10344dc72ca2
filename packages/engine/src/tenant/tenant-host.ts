import { readFileSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { type ContainerClass, type InstanceSize, LongshoreError, type Tenant } from "@longshore/contract";
import type { EngineDirectories } from "../directories.js";
import type { TenantEgress } from "../egress/tenant-egress.js";
import type { Instance } from "../instance/instance.js";
import { LAST_LINES, tailLog } from "../log/tail.js";
import { Ingress } from "../network/ingress.js";
import { SpareDoors } from "../network/spare-doors.js";
import { Journal } from "../sys/journal.js";
import { NO_INSTANCE } from "./admission.js";

/** One application's containers, their ingress ports, and the socket that its workerd talks to. */
export class TenantHost implements AsyncDisposable {
  config: Tenant;
  /** Shut while the tenant's workerd is replaced: its farewell must not end the containers. */
  gateShut = false;
  /** The current life of each container, by the name that workerd uses. */
  readonly containers = new Map<string, Instance>();
  /** Why the last start of a container came to nothing, until the next one. */
  readonly failures = new Map<string, LongshoreError>();
  readonly ingresses = new Map<string, Ingress>();
  readonly egress: TenantEgress;
  /**
   * Which loopback port is the door of which container: workerd remembers it for as long as it lives, so an engine that starts again must listen
   * there again.
   */
  readonly ports: Journal<number>;
  readonly #directories: EngineDirectories;
  readonly #starting = new Map<string, ContainerClass>();
  readonly #doors = new SpareDoors();
  #server: Server | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(directories: EngineDirectories, config: Tenant, egress: TenantEgress) {
    this.#directories = directories;
    this.ports = new Journal(TenantHost.#portsFile(directories, config.id));
    this.egress = egress;
    this.config = config;
  }

  static file(directories: EngineDirectories, id: string): string {
    return join(directories.tenants, `${id}.json`);
  }

  static #portsFile(directories: EngineDirectories, id: string): string {
    return join(directories.tenants, `${id}.doors`);
  }

  static read(file: string): Tenant {
    return JSON.parse(readFileSync(file, "utf8")) as Tenant;
  }

  /** Attaches the Docker API server that listens for this tenant. */
  serve(server: Server): void {
    this.#server = server;
  }

  async update(config: Tenant): Promise<void> {
    this.config = config;
    await this.save();
  }

  /** Writes the configuration down. Calls are written one after the other. */
  async save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write());
    await this.#saving;
  }

  /** The current life of a container, by the name that workerd uses or by its id. Errors: `NOT_FOUND`. */
  container(nameOrId: string): Instance {
    const instance = this.containers.get(nameOrId) ?? [...this.containers.values()].find(({ record }) => record.id === nameOrId);
    if (instance === undefined) throw new LongshoreError("NOT_FOUND", `There is no container ${nameOrId}.`);
    return instance;
  }

  /** Opens the door of a container; with `port`, the one it had before. Errors: `INVALID_INPUT` for what is no container's name. */
  async openIngress(name: string, port = 0): Promise<Ingress> {
    // Names become names of files.
    if (splitContainerName(name) === undefined)
      throw new LongshoreError("INVALID_INPUT", `"${name}" is not the name of a Durable Object's container.`);
    const existing = this.ingresses.get(name);
    if (existing !== undefined) return existing;
    const door = port === 0 ? await this.#doors.take() : await Ingress.listen(port);
    const ingress = door.lead({
      instance: () => this.containers.get(name),
      failure: () => this.failures.get(name),
      lastLines: ({ record }) => tailLog(join(this.#directories.logs, record.id), LAST_LINES),
      configureEgress: (body) => this.egress.configure(name, body),
      certificate: () => this.egress.authority.certificate,
    });
    this.ingresses.set(name, ingress);
    if (port === 0) this.ports.set(name, ingress.port);
    return ingress;
  }

  async closeIngress(name: string): Promise<boolean> {
    const ingress = this.ingresses.get(name);
    if (ingress === undefined) return false;
    this.ingresses.delete(name);
    this.egress.forget(name);
    this.ports.delete(name);
    await ingress[Symbol.asyncDispose]();
    return true;
  }

  /**
   * Counts a container in before it exists, so that concurrent starts cannot pass the limit together. Dispose of the result when it exists, or will not.
   * Errors: `LIMIT_REACHED`, `CONFLICT` when the same container is being made already.
   */
  reserve(name: string, containerClass: ContainerClass): Disposable {
    if (this.#starting.has(name)) throw new LongshoreError("CONFLICT", `The container ${name} is being created.`);
    const instances = this.instancesOf(containerClass);
    if (instances >= containerClass.maxInstances) {
      throw new LongshoreError(
        "LIMIT_REACHED",
        `${NO_INSTANCE}: ${instances} of at most ${containerClass.maxInstances} instances of ${containerClass.applicationName} run.`,
        { hint: "Raise max_instances in the Wrangler configuration and deploy, or let instances sleep sooner." },
      );
    }
    this.#starting.set(name, containerClass);
    return { [Symbol.dispose]: () => void this.#starting.delete(name) };
  }

  /** How many containers of a class run or are being made. */
  instancesOf({ namespaceId }: ContainerClass): number {
    const running = [...this.containers.values()].filter(({ live, record }) => live && record.namespaceId === namespaceId).length;
    return running + [...this.#starting.values()].filter((starting) => starting.namespaceId === namespaceId).length;
  }

  /** The sizes of containers that are being made. */
  get startingSizes(): InstanceSize[] {
    return [...this.#starting.values()].map(({ size }) => size);
  }

  /** Stops listening; state on disk stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    await Promise.all([this.#doors, ...this.ingresses.values()].map((door) => door[Symbol.asyncDispose]()));
    this.ports[Symbol.dispose]();
    await rm(this.#directories.tenantSocket(this.config.id), { force: true });
  }

  /** Stops listening and forgets the tenant. */
  async delete(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#saving;
    await rm(TenantHost.#portsFile(this.#directories, this.config.id), { force: true });
    await rm(TenantHost.file(this.#directories, this.config.id), { force: true });
    this.egress.delete();
  }

  async #write(): Promise<void> {
    const file = TenantHost.file(this.#directories, this.config.id);
    await mkdir(dirname(file), { recursive: true });
    await using handle = await open(`${file}.partial`, "w", 0o600);
    await handle.writeFile(JSON.stringify(this.config));
    await rename(`${file}.partial`, file);
  }
}

/** `workerd-[<session>-]<namespace id>-<object id>`: how workerd calls a container. `undefined` for any other name. */
export function splitContainerName(name: string): { namespaceId: string; durableObjectId: string } | undefined {
  const [, namespaceId, durableObjectId] = /^workerd-(?:[0-9a-f]{16}-)?([\w.-]+)-([0-9a-f]{64})$/.exec(name) ?? [];
  return namespaceId === undefined || durableObjectId === undefined ? undefined : { namespaceId, durableObjectId };
}

/** What a tenant's container is: the only names that a tenant may use are those of its own classes. Errors: `NOT_FOUND`. */
export function parseContainerName(tenant: Tenant, name: string): { containerClass: ContainerClass; durableObjectId: string } {
  const parts = splitContainerName(name);
  const containerClass = tenant.classes.find((candidate) => candidate.namespaceId === parts?.namespaceId);
  const durableObjectId = parts?.durableObjectId;
  if (containerClass === undefined || durableObjectId === undefined) {
    throw new LongshoreError("NOT_FOUND", `The application "${tenant.id}" has no container class for "${name}".`, {
      hint: "Deploy the application with wrangler, so that its container application exists.",
    });
  }
  return { containerClass, durableObjectId };
}
