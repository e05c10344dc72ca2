import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContainerClass, instanceSize } from "@longshore/contract";
import type { EngineSettings } from "../engine-settings.js";
import type { ImageSource } from "../image/types.js";
import { type OpenEngine, openEngine } from "../open.js";
import { type DockerAnswer, docker } from "./docker-client.js";
import { MemoryImageSource, type TestImage } from "./image-source.js";

export const NAMESPACE = "a".repeat(32);
/** The image of {@link webClass}. */
export const WEB_IMAGE = "acc/web:1";

/** What workerd calls the container of object number `n`. */
export const containerName = (n: number): string => `workerd-${NAMESPACE}-${n.toString(16).padStart(64, "0")}`;

/** The one container class of the tenant `web`. */
export function webClass(changes: Partial<ContainerClass> = {}): ContainerClass {
  return {
    namespaceId: NAMESPACE,
    className: "Web",
    applicationId: "app-1",
    applicationName: "web",
    image: WEB_IMAGE,
    size: instanceSize("lite"),
    maxInstances: 8,
    version: 1,
    environment: {},
    ...changes,
  };
}

/** The settings of an engine that keeps everything below `directory`, whose path must be short (it holds sockets). */
export function engineSettings(directory: string, images: ImageSource): EngineSettings {
  return {
    dataDirectory: join(directory, "data"),
    runDirectory: join(directory, "run"),
    recordsKey: Buffer.alloc(32, "records"),
    images,
    runtime: "/usr/bin/crun",
    poolDepth: 1,
    openFiles: 1024,
    log: (message, details) => process.stderr.write(`${message} ${JSON.stringify(details)}\n`),
  };
}

/** The tenant's calls as workerd makes them, on the socket of whichever engine runs. */
export class DockerSide {
  constructor(readonly socket: string) {}

  /** Asks for the container's door, then for the container. */
  async create(n: number, body: Record<string, unknown> = {}): Promise<DockerAnswer> {
    const name = containerName(n);
    await docker(this.socket, "POST", `/containers/create?name=${name}-proxy`, { Image: "egress" });
    return await docker(this.socket, "POST", `/containers/create?name=${name}`, { Image: NAMESPACE, ...body });
  }

  /** What workerd does on `ctx.container.start()`; returns the container's name. Without a command it runs the image's. */
  async start(n: number, command?: readonly string[], environment: readonly string[] = []): Promise<string> {
    const name = containerName(n);
    const created = await this.create(n, { ...(command === undefined ? {} : { Cmd: command }), Env: environment });
    assert.equal(created.status, 201, JSON.stringify(created.body));
    assert.equal((await docker(this.socket, "POST", `/containers/${name}/start`)).status, 204);
    return name;
  }

  /** The port of the container's door. */
  async door(n: number): Promise<number> {
    const { body } = await docker(this.socket, "GET", `/containers/${containerName(n)}-proxy/json`);
    const settings = body.NetworkSettings as { Ports: Record<string, [{ HostPort: string }]> } | undefined;
    return Number(settings?.Ports["39001/tcp"]?.[0].HostPort);
  }
}

export interface EngineOptions {
  readonly containerClass?: Partial<ContainerClass>;
  readonly settings?: Partial<EngineSettings>;
}

/** An engine with one tenant, `web`, whose containers are started as workerd starts them. Disposing leaves nothing behind. */
export class RunningEngine extends DockerSide implements AsyncDisposable {
  readonly directory: string;
  readonly images: MemoryImageSource;
  readonly #settings: EngineSettings;
  #open: OpenEngine;
  #ended = false;

  private constructor(directory: string, images: MemoryImageSource, settings: EngineSettings, open: OpenEngine) {
    super(open.engine.socketPath("web"));
    this.directory = directory;
    this.images = images;
    this.#settings = settings;
    this.#open = open;
  }

  static async begin(image: TestImage, { containerClass, settings }: EngineOptions): Promise<RunningEngine> {
    const directory = mkdtempSync(join(tmpdir(), "ls-e-"));
    const images = new MemoryImageSource();
    images.add(WEB_IMAGE, { config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"] }, ...image });
    const all = { ...engineSettings(directory, images), ...settings };
    const open = await openEngine(all);
    await open.engine.putTenant({ id: "web", classes: [webClass(containerClass)] });
    return new RunningEngine(directory, images, all, open);
  }

  /** The engine that runs now. */
  get open(): OpenEngine {
    return this.#open;
  }

  /** Ends the engine as a kill would, as far as containers can tell, and starts another. `between` is done while none runs. */
  async restart(between: () => void = () => undefined): Promise<void> {
    // A sandbox that is being made ahead would be made after the next engine has swept, which a killed one cannot do.
    await this.#open.engine.settled();
    await this.#open[Symbol.asyncDispose]();
    between();
    this.#open = await openEngine(this.#settings);
  }

  /** Ends everything, containers too, as the end of the installation does. */
  async shutdown(): Promise<void> {
    this.#ended = true;
    await this.#open.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      // Some programs of these containers do not end on SIGTERM; nobody needs to wait for them.
      const { engine } = this.#open;
      await Promise.all(
        [...engine.tenants.values()].flatMap((host) => [...host.containers.values()].map((one) => engine.containers.remove(host, one))),
      );
      await this.shutdown();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function runningEngine(image: TestImage = {}, options: EngineOptions = {}): Promise<RunningEngine> {
  return await RunningEngine.begin(image, options);
}
