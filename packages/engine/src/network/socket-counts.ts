import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { OpenSockets } from "./open-sockets.js";

/**
 * The port at which not the container but its engine answers. The last one: no program takes it for itself, and the kernel gives it to nobody.
 */
export const ENGINE_PORT = 65_535;
/** Tells the Container class that no program has answered. The same as in the class. */
const COUNTS_TYPE = "application/vnd.longshore.websocket-counts";

const subjects = new WeakMap<Socket, OpenSockets>();

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const sockets = subjects.get(request.socket);
  if (sockets === undefined || request.method !== "GET" || request.url !== "/websockets") {
    response.writeHead(404, { "content-length": 0, connection: "close" }).end();
    return;
  }
  sendCounts(sockets, response);
});
server.on("clientError", (_error, socket) => socket.destroy());

/**
 * Answers `GET /websockets` on a connection: a line with the number of the container's WebSockets, another whenever it changes, and the end once it is 0. So
 * the Container class can hand WebSockets on without having a part in them, and still knows how long its container is in use.
 */
export function serveCounts(connection: Socket, sockets: OpenSockets): void {
  subjects.set(connection, sockets);
  server.emit("connection", connection);
}

function sendCounts(sockets: OpenSockets, response: ServerResponse): void {
  const tell = (open: number) => {
    if (open === 0) response.end("0\n");
    // Who does not read them gets fewer.
    else if (!response.writableNeedDrain) response.write(`${open}\n`);
  };
  response.writeHead(200, { "content-type": COUNTS_TYPE, connection: "close" });
  const watch = sockets.watch(tell);
  for (const over of ["finish", "close"]) response.once(over, () => watch[Symbol.dispose]());
  tell(sockets.open);
}
