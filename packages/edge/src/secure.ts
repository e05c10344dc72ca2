import type { Socket } from "node:net";
import { createServer, type SecureContext, type Server, type TLSSocket } from "node:tls";

export interface SecureOptions {
  /** The certificate for a host name, `""` for clients that name none. Undefined: the handshake fails. */
  readonly contextOf: (host: string) => SecureContext | undefined;
  /** Longest handshake, in milliseconds. */
  readonly handshakeMs: number;
  /** False: the connection is refused and closed already. */
  readonly admit: (socket: Socket) => boolean;
  readonly http1: (socket: TLSSocket) => void;
  readonly http2: (socket: TLSSocket) => void;
}

/** TLS 1.2 and 1.3, not yet listening: hands each connection to the version of HTTP that the client prefers of ours. */
export function createSecureServer({ contextOf, handshakeMs, admit, http1, http2 }: SecureOptions): Server {
  const server = createServer({
    ALPNProtocols: ["h2", "http/1.1"],
    minVersion: "TLSv1.2",
    handshakeTimeout: handshakeMs,
    noDelay: true,
    SNICallback: (host, done) => {
      const context = contextOf(host.toLowerCase());
      done(context === undefined ? new Error(`There is no certificate for ${host}.`) : null, context);
    },
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    if (socket.alpnProtocol === "h2") http2(socket);
    else http1(socket);
  });
  // Before TLS has a say.
  server.prependListener("connection", (socket) => void admit(socket));
  return server;
}
