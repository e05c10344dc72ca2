import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import ssh from "ssh2";
import { createWebSocketStream, WebSocketServer } from "ws";
import { mayLogIn, type TrustedKeys } from "./authentication.js";
import { type Place, serveSession } from "./session.js";

/** A container that somebody may open a shell in, and who that is. */
export interface ShellAccess extends Place, TrustedKeys {}

/** Longest message of a client that is passed on: more than one read of a socket brings. */
const LONGEST_MESSAGE = 1024 * 1024;
const LOGIN_DEADLINE_MS = 120_000;

/**
 * SSH servers for containers, each connection by a WebSocket whose binary messages are the bytes of the SSH connection. There is no SSH server in the
 * container: shells and commands are the engine's execs. Nothing else is served, no forwarding and no file transfer.
 */
export class SshGateway {
  /** New with each start: the tunnel says whom a client talks to, and clients do not check the key. */
  readonly #hostKey = ssh.utils.generateKeyPairSync("ed25519").private;
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: LONGEST_MESSAGE });

  /** Takes over a connection that asks for a WebSocket. Disposing the result ends it. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, access: ShellAccess): Disposable {
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#serve(createWebSocketStream(webSocket), access));
    return { [Symbol.dispose]: () => void socket.destroy() };
  }

  #serve(stream: Duplex, access: ShellAccess): void {
    const server = new ssh.Server({ hostKeys: [this.#hostKey], ident: "Longshore" }, (client) => {
      const deadline = setTimeout(() => client.end(), LOGIN_DEADLINE_MS);
      client.on("authentication", (context) => (mayLogIn(context, access, Date.now()) ? context.accept() : context.reject(["publickey"])));
      client.on("ready", () => clearTimeout(deadline));
      client.on("session", (accept) => serveSession(accept(), access));
      client.on("close", () => {
        clearTimeout(deadline);
        stream.destroy();
      });
      // What a client breaks is its own connection.
      client.on("error", () => client.end());
    });
    stream.on("error", () => stream.destroy());
    server.injectSocket(stream as never);
  }
}
