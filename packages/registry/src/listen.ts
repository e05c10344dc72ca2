import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";

/** The first byte of every TLS connection: a record of the type "handshake". No HTTP method begins with it. */
const TLS_HANDSHAKE = 0x16;
const FIRST_BYTE_TIMEOUT_MS = 15_000;
/** Without a byte in either direction. A push may pause while the client compresses its next layer. */
const IDLE_TIMEOUT_MS = 300_000;
const CLOSE_TIMEOUT_MS = 5_000;

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** PEM. Without it only plain HTTP is spoken. */
  readonly tls: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined;
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
}

export interface Listening {
  readonly port: number;
  /** Takes no more connections, gives running requests five seconds, then cuts what is left. */
  close(): Promise<void>;
}

/**
 * Serves HTTPS and HTTP on one port: wrangler insists on the first, and for an address on this machine docker and buildah may use either.
 * Errors: `CONFLICT` when the port is taken, `FORBIDDEN` when it needs a permission.
 */
export async function listenTlsAndPlain({ host, port, tls, handler }: ListenOptions): Promise<Listening> {
  const requests = new RunningRequests(handler);
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => requests.run(req, res);
  // Neither listens itself: they are given connections. A request may take as long as its layer does.
  const plain = createHttpServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, onRequest).setTimeout(IDLE_TIMEOUT_MS);
  const secure =
    tls &&
    createHttpsServer({ ...tls, requestTimeout: 0, keepAliveTimeout: 75_000, ALPNProtocols: ["http/1.1"] }, onRequest).setTimeout(
      IDLE_TIMEOUT_MS,
    );
  secure?.on("tlsClientError", (_error, socket) => socket.destroy());

  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, () => socket.destroy());
    socket.once("readable", () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      socket.setTimeout(0).removeAllListeners("timeout");
      socket.unshift(first);
      const target = first[0] === TLS_HANDSHAKE ? secure : plain;
      if (target === undefined) socket.destroy();
      else target.emit("connection", socket);
    });
  });
  await listen(server, host, port);

  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await requests.drain(CLOSE_TIMEOUT_MS);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Knows which requests are being answered, so that closing can let them end. */
class RunningRequests {
  readonly #handler: ListenOptions["handler"];
  readonly #running = new Set<ServerResponse>();
  #drained: (() => void) | undefined;

  constructor(handler: ListenOptions["handler"]) {
    this.#handler = handler;
  }

  run(req: IncomingMessage, res: ServerResponse): void {
    this.#running.add(res);
    res.once("close", () => {
      this.#running.delete(res);
      if (this.#running.size === 0) this.#drained?.();
    });
    if (this.#drained !== undefined) res.setHeader("connection", "close");
    Promise.resolve(this.#handler(req, res)).catch((error: unknown) => res.destroy(error instanceof Error ? error : undefined));
  }

  async drain(timeoutMs: number): Promise<void> {
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    if (isErrno(error, "EADDRINUSE")) {
      throw new LongshoreError("CONFLICT", `Port ${port} on ${host} is already taken.`, {
        cause: error,
        hint: "Stop the program that listens there, or choose another port for the registry.",
      });
    }
    if (isErrno(error, "EACCES")) {
      throw new LongshoreError("FORBIDDEN", `Listening on port ${port} of ${host} is not permitted.`, {
        cause: error,
        hint: "Choose a port above 1023, or allow it with the capability CAP_NET_BIND_SERVICE.",
      });
    }
    throw toLongshoreError(error, `Listening on ${host}:${port}`);
  }
}
