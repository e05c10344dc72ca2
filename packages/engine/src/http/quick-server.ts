import { channel } from "node:diagnostics_channel";
import { type IncomingMessage, Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type Answer, encodeBody, failureAnswer, type PlainRoute, parseJson } from "./router.js";
import { type WholeRequest, wholeRequest } from "./whole-request.js";

/** What is done with a CONNECT: the target as the client wrote it, the connection, and what came behind the head. */
export type ConnectHandler = (target: string, connection: Socket, head: Buffer) => void;

export interface QuickServerOptions {
  readonly routes: readonly PlainRoute[];
  readonly connect?: ConnectHandler;
}

/** What Node's own channels `http.server.request.start` and `http.server.response.finish` say, for requests that Node's server does not see. */
const started = channel("longshore.engine.request.start");
const finished = channel("longshore.engine.response.finish");

/**
 * An HTTP server that answers small requests itself. workerd makes fourteen calls for one start, each on a connection of its own and each arriving in one
 * piece; Node's parser, request and response objects would be half of what they cost. Everything that is not such a request, for one of `routes`, goes
 * to Node's server and `listener` as it came.
 */
export class QuickServer extends Server {
  readonly #options: QuickServerOptions;
  readonly #connections = new Set<Socket>();
  readonly #toNode: (connection: Socket) => void;

  constructor(options: QuickServerOptions, listener: (request: IncomingMessage, response: ServerResponse) => void) {
    super(listener);
    this.#options = options;
    const { connect } = options;
    if (connect !== undefined) this.on("connect", (request, connection, head) => connect(request.url ?? "", connection as Socket, head));
    const listeners = this.listeners("connection") as ((connection: Socket) => void)[];
    this.removeAllListeners("connection");
    this.#toNode = (connection) => {
      for (const receive of listeners) receive.call(this, connection);
    };
    this.on("connection", (connection: Socket) => this.#receive(connection));
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const connection of this.#connections) connection.destroy();
  }

  #receive(connection: Socket): void {
    const { connect } = this.#options;
    let waiting: Buffer[] | undefined;
    const onEnd = () => connection.end();
    const onData = (chunk: Buffer) => {
      if (waiting !== undefined) return void waiting.push(chunk);
      const request = wholeRequest(chunk);
      const matched = request === undefined ? undefined : this.#routeOf(request);
      if (request !== undefined && matched !== undefined) return void serve(matched, request);
      connection.off("data", onData).off("end", onEnd);
      if (request?.method === "CONNECT" && connect !== undefined) {
        // As Node's server hands a connection over: what comes from now on is kept until somebody reads.
        connection.pause();
        return connect(request.target, connection, request.body);
      }
      connection.unshift(chunk);
      this.#toNode(connection);
    };
    const serve = async (matched: Matched, request: WholeRequest) => {
      // One after the other. Reading goes on, because that is how the client's going away is noticed.
      const behind: Buffer[] = [];
      waiting = behind;
      if (started.hasSubscribers) started.publish({ request });
      const text = await answer(matched, request, connection);
      waiting = undefined;
      if (connection.writable) connection.write(text);
      if (finished.hasSubscribers) finished.publish({ request });
      if (behind.length > 0) onData(Buffer.concat(behind));
    };
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    connection.on("error", () => connection.destroy());
    connection.on("data", onData).on("end", onEnd);
  }

  #routeOf({ method, target }: WholeRequest): Matched | undefined {
    const question = target.indexOf("?");
    const path = question < 0 ? target : target.slice(0, question);
    // What is escaped, or has an API version before it, is Node's.
    if (path.includes("%")) return undefined;
    for (const route of this.#options.routes) {
      const match = route.method === method ? route.path.exec(path) : null;
      if (match !== null) return { route, parameters: match.slice(1), query: question < 0 ? "" : target.slice(question + 1) };
    }
    return undefined;
  }
}

interface Matched {
  readonly route: PlainRoute;
  readonly parameters: readonly string[];
  readonly query: string;
}

async function answer({ route, parameters, query }: Matched, { body }: WholeRequest, client: Socket): Promise<string> {
  try {
    const parsed = async () => (body.length === 0 ? {} : parseJson(body.toString("utf8")));
    return encode(await route.answer({ parameters, query: new URLSearchParams(query), client, body: parsed }));
  } catch (error) {
    return encode(failureAnswer(error));
  }
}

function encode(answer: Answer): string {
  const { status } = answer;
  const body = encodeBody(answer);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  // RFC 9110, 8.6: an answer that cannot have a body has no length either.
  if (body === undefined) return `${head}${status === 204 ? "" : "Content-Length: 0\r\n"}\r\n`;
  return `${head}Content-Type: ${body.type}\r\nContent-Length: ${Buffer.byteLength(body.text)}\r\n\r\n${body.text}`;
}
