import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { TestEngine } from "./docker-engine.js";
import type { ProcessContainer } from "./process-container.js";

const ADDRESS = "93.184.216.34";

export interface OutboundAnswer {
  readonly status: number;
  readonly body: string;
  /** The step that refused it. */
  readonly step: string | undefined;
}

/** A connection that a container made, and workerd took: what the engine does with it, from behind the first bytes on. */
export class OutboundConnection implements Disposable {
  private constructor(private readonly socket: Socket) {}

  /** Connects for the container to port 80, or 443, of some address. `undefined`: workerd leaves the connection alone. */
  static async open(engine: TestEngine, container: ProcessContainer, host: string, tls = false): Promise<OutboundConnection | undefined> {
    const { port = 0 } = engine.egressOf(container) ?? {};
    const outer = request({
      host: "127.0.0.1",
      port,
      method: "CONNECT",
      path: `${ADDRESS}:${tls ? 443 : 80}`,
      headers: { [tls ? "X-Tls-Sni" : "X-Hostname"]: host },
      agent: false,
    }).end();
    const [response, socket] = (await once(outer, "connect")) as [IncomingMessage, Socket];
    if (response.statusCode === 200) return new OutboundConnection(socket);
    socket.destroy();
    return undefined;
  }

  async get(host: string, path = "/"): Promise<OutboundAnswer> {
    const inner = request({ createConnection: () => this.socket, path, headers: { host, connection: "keep-alive" } }).end();
    const [response] = (await once(inner, "response")) as [IncomingMessage];
    const step = response.headers["x-container-outbound"];
    return { status: response.statusCode ?? 0, body: await text(response), step: step?.toString() };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
