import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { Instance } from "../instance/instance.js";

/** An application that boots gets so long to open its port; a connection waits meanwhile. */
const HOLD_MS = 20_000;
const RETRY_MS = 10;

/** A TCP port of the host whose connections lead to a port of one container, on its loopback. */
export class PublishedListener implements Disposable {
  readonly containerPort: number;
  readonly hostIp: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(containerPort: number, hostIp: string, server: Server) {
    this.containerPort = containerPort;
    this.hostIp = hostIp;
    this.#server = server;
  }

  /** Errors: `CONFLICT` when the port is taken, `INVALID_INPUT` for an address that is not this machine's. */
  static async listen(instance: Instance, containerPort: number, hostIp: string, hostPort: number): Promise<PublishedListener> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const listener = new PublishedListener(containerPort, hostIp, server);
    server.on("connection", (client) => listener.#connect(instance, client));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(hostPort, hostIp, resolve);
      });
    } catch (cause) {
      if (isErrno(cause, "EADDRINUSE")) {
        throw new LongshoreError("CONFLICT", `Port ${hostPort} of ${hostIp} is already allocated.`, {
          cause,
          hint: "Publish another one, or 0 for any.",
        });
      }
      throw new LongshoreError("INVALID_INPUT", `Port ${hostPort} of ${hostIp} cannot be published: ${String(cause)}`, { cause });
    }
    return listener;
  }

  get hostPort(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #connect(instance: Instance, client: Socket): void {
    this.#connections.add(client);
    const gone = new AbortController();
    client.once("close", () => {
      this.#connections.delete(client);
      gone.abort();
    });
    client.on("error", () => client.destroy());
    client.setNoDelay(true);
    void this.#reach(instance, gone.signal).then(
      (target) => {
        if (target === undefined || gone.signal.aborted) {
          target?.destroy();
          client.resetAndDestroy();
        } else couple(client, target, () => instance.arrived());
      },
      () => client.resetAndDestroy(),
    );
  }

  async #reach(instance: Instance, gone: AbortSignal): Promise<Socket | undefined> {
    const deadline = Date.now() + HOLD_MS;
    while (!gone.aborted) {
      instance.arrived();
      const target = instance.network?.connect(this.containerPort);
      if (target !== undefined) {
        instance.ready(this.containerPort);
        return target;
      }
      if (!instance.live || instance.openPorts.has(this.containerPort) || Date.now() > deadline) return undefined;
      await sleep(RETRY_MS);
    }
    return undefined;
  }
}

function couple(client: Socket, target: Socket, arrived: () => void): void {
  client.on("data", arrived);
  target.on("error", () => client.destroy());
  target.on("close", () => client.destroy());
  client.on("close", () => target.destroy());
  client.pipe(target);
  target.pipe(client);
}
