import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { instanceSize, type Tenant } from "@longshore/contract";
import { type EgressSettings, type OpenEngine, openEngine } from "../index.js";
import { docker } from "./docker-client.js";
import { FromContainer } from "./from-container.js";
import { MemoryImageSource, type TestImage } from "./image-source.js";

export const NAMESPACE = "c".repeat(32);
export const objectId = (n: number) => n.toString(16).padStart(64, "0");
export const containerName = (n: number) => `workerd-${NAMESPACE}-${objectId(n)}`;
const TENANT = "out";

/** An engine in a directory of its own with one application, whose containers serve a page on port 8080. */
export class OutboundStage implements AsyncDisposable {
  readonly images = new MemoryImageSource();
  readonly messages: string[] = [];
  readonly #directory: string;
  readonly #egress: EgressSettings;
  #open: OpenEngine | undefined;

  private constructor(directory: string, egress: EgressSettings) {
    this.#directory = directory;
    this.#egress = egress;
  }

  static async start(egress: EgressSettings, image: TestImage = {}): Promise<OutboundStage> {
    const stage = new OutboundStage(await mkdtemp(join(tmpdir(), "longshore-o-")), egress);
    stage.images.add("acc/out:1", { config: { Env: ["PATH=/bin"], Cmd: ["httpd", "-f", "-p", "8080", "-h", "/www"] }, ...image });
    await stage.#openEngine();
    const size = instanceSize("basic");
    const application = { applicationId: "app-1", applicationName: "out", image: "acc/out:1", size, version: 1, environment: {} };
    const tenant: Tenant = {
      id: TENANT,
      classes: [{ namespaceId: NAMESPACE, className: "Box", maxInstances: 5, ...application }],
    };
    await stage.engine.engine.putTenant(tenant);
    return stage;
  }

  get engine(): OpenEngine {
    if (this.#open === undefined) throw new Error("the engine is not open");
    return this.#open;
  }

  get socket(): string {
    return this.engine.engine.socketPath(TENANT);
  }

  /** What workerd does to start a container: sidecar, outbound rules, container. */
  async startContainer(n: number, rules: Record<string, unknown>, environment: readonly string[] = []): Promise<FromContainer> {
    const name = containerName(n);
    await docker(this.socket, "POST", `/containers/create?name=${name}-proxy`, { Image: "egress" });
    await this.configure(n, rules);
    const created = await docker(this.socket, "POST", `/containers/create?name=${name}`, { Image: NAMESPACE, Env: environment });
    if (created.status !== 201) throw new Error(`create was answered ${created.status}: ${JSON.stringify(created.body)}`);
    await docker(this.socket, "POST", `/containers/${name}/start`);
    return this.container(n);
  }

  /** A `PUT /egress`, as workerd sends it. */
  async configure(n: number, rules: Record<string, unknown>): Promise<number> {
    const { body } = await docker(this.socket, "GET", `/containers/${containerName(n)}-proxy/json`);
    const port = (body.NetworkSettings as { Ports: Record<string, [{ HostPort: string }]> }).Ports["39001/tcp"]?.[0].HostPort;
    const answer = await fetch(`http://127.0.0.1:${port}/egress`, { method: "PUT", body: JSON.stringify(rules) });
    return answer.status;
  }

  container(n: number): FromContainer {
    return new FromContainer(this.record(n).process.pid);
  }

  record(n: number) {
    const record = this.engine.engine.tenants.get(TENANT)?.containers.get(containerName(n))?.record;
    if (record === undefined) throw new Error(`there is no container ${n}`);
    return record;
  }

  /** The record of the container that was made last. */
  newest() {
    const all = [...(this.engine.engine.tenants.get(TENANT)?.containers.values() ?? [])].map(({ record }) => record);
    const record = all.sort((a, b) => a.createdAt.localeCompare(b.createdAt)).at(-1);
    if (record === undefined) throw new Error("there is no container");
    return record;
  }

  /** A new engine in place of this one, which leaves its containers running. */
  async restart(): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    await this.#openEngine();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // At once: the shutdown would ask first, and a sleeping container does not listen.
    const names = [...(this.engine.engine.tenants.get(TENANT)?.containers.keys() ?? [])];
    await Promise.all(names.map((name) => docker(this.socket, "DELETE", `/containers/${name}?force=true`)));
    await this.engine.shutdown();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #openEngine(): Promise<void> {
    this.#open = await openEngine({
      dataDirectory: join(this.#directory, "data"),
      runDirectory: join(this.#directory, "run"),
      recordsKey: Buffer.alloc(32, "records"),
      images: this.images,
      runtime: "/usr/bin/crun",
      poolDepth: 1,
      openFiles: 1024,
      egress: this.#egress,
      log: (message, details) => this.messages.push(`${message} ${JSON.stringify(details)}`),
    });
  }
}
