import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContainerClass, instanceSize } from "@longshore/contract";
import { type OpenEngine, openEngine } from "../open.js";
import { docker } from "./docker-client.js";
import { MemoryImageSource, type TestImage } from "./image-source.js";

const NAMESPACE = "a".repeat(32);

/** An engine with one tenant, whose containers are started as workerd starts them. Disposing leaves nothing behind. */
export interface RunningEngine extends AsyncDisposable {
  readonly open: OpenEngine;
  readonly images: MemoryImageSource;
  /** The tenant's Docker API. */
  readonly socket: string;
  readonly directory: string;
  /** Starts container number `n`; returns its name. */
  start(n: number, command: readonly string[], environment?: readonly string[]): Promise<string>;
}

export async function runningEngine(image: TestImage = {}, changes: Partial<ContainerClass> = {}): Promise<RunningEngine> {
  const directory = await mkdtemp(join(tmpdir(), "ls-e-"));
  const images = new MemoryImageSource();
  images.add("acc/web:1", { config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"] }, ...image });
  const open = await openEngine({
    dataDirectory: join(directory, "data"),
    runDirectory: join(directory, "run"),
    images,
    runtime: "/usr/bin/crun",
    poolDepth: 1,
    openFiles: 1024,
    log: (message, details) => process.stderr.write(`${message} ${JSON.stringify(details)}\n`),
  });
  const containerClass: ContainerClass = {
    namespaceId: NAMESPACE,
    className: "Web",
    applicationId: "app-1",
    applicationName: "web",
    image: "acc/web:1",
    size: instanceSize("lite"),
    maxInstances: 5,
    version: 1,
    environment: {},
    ...changes,
  };
  await open.engine.putTenant({ id: "web", classes: [containerClass] });
  const socket = open.engine.socketPath("web");
  return {
    open,
    images,
    socket,
    directory,
    async start(n, command, environment = []) {
      const name = `workerd-${NAMESPACE}-${n.toString(16).padStart(64, "0")}`;
      await docker(socket, "POST", `/containers/create?name=${name}-proxy`, { Image: "egress" });
      const created = await docker(socket, "POST", `/containers/create?name=${name}`, { Image: "x", Cmd: command, Env: environment });
      assert.equal(created.status, 201, JSON.stringify(created.body));
      assert.equal((await docker(socket, "POST", `/containers/${name}/start`)).status, 204);
      return name;
    },
    async [Symbol.asyncDispose]() {
      // The programs of these containers do not end on SIGTERM; nobody needs to wait for them.
      const { engine } = open;
      await Promise.all(
        [...engine.tenants.values()].flatMap((host) => [...host.containers.values()].map((one) => engine.remove(host, one))),
      );
      await open.shutdown();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
