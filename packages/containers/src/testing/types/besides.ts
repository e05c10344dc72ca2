// What only our package has (types.test.ts).
import {
  Container,
  ContainerError,
  type ContainerErrorCode,
  type ContainerOptions,
  getContainer,
  type RouteOptions,
  route,
  type StopCause,
} from "@cloudflare/containers";

interface Env {
  BOX: DurableObjectNamespace<Box>;
  ANY: DurableObjectNamespace;
  KEY: string;
}

export class Box extends Container<Env> {
  override sleepMode = "freeze" as const;
  override hardTimeout = 1000;

  override async containerStarted(): Promise<void> {
    console.log("up");
  }

  override getOptions(): ContainerOptions {
    return { envVars: { KEY: this.env.KEY }, sleepMode: "stop" };
  }

  override async fetch(request: Request): Promise<Response> {
    return this.containerFetch(request, { port: 8080 });
  }

  async commands(): Promise<number> {
    const process = await this.exec(["sh"], { cwd: "/", env: {}, user: "1", pty: { cols: 1, rows: 1 } });
    process.resize(1, 2);
    process.kill();
    const { stdout } = await process.output();
    // @ts-expect-error: a list
    await this.exec("ls");
    return stdout.byteLength + (await process.exitCode);
  }

  async snapshots(): Promise<void> {
    const snapshot = await this.snapshotDirectory({ dir: "/data", name: "n" });
    const containerSnapshot = await this.snapshotContainer();
    await this.start({ directorySnapshots: [{ snapshot, mountPoint: "/x" }], containerSnapshot, hardTimeout: 1 });
  }

  override onError(error: unknown): void {
    if (!(error instanceof ContainerError)) return;
    const code: ContainerErrorCode = error.code;
    console.log(code, error.exitCode, error.lastLines.length, error.status);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const options: RouteOptions = { min: 1, max: 20, concurrency: 10, queueMs: 0 };
    if (request.method === "PUT") return route(env.ANY).fetch(request);
    if (request.method === "POST") return route(env.BOX, options).fetch(request);
    const box = getContainer(env.BOX);
    const { inUse, lastStop, sleepsAt } = await box.getState();
    const cause: StopCause | undefined = lastStop?.cause;
    const process = await box.exec(["ls"]);
    const output = await process.output();
    return Response.json([inUse?.execs, cause, sleepsAt, output.exitCode]);
  },
};
