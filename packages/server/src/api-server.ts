import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Control } from "@longshore/control";
import type { R2Service } from "./r2.js";

/** Large objects come with one request, over whatever line. */
const REQUEST_MS = 6 * 3600_000;

/** The API's server, not listening yet: requests, those of S3 clients among them, and the connections of those who watch a Worker. */
export function createApiServer(control: Control, r2: R2Service): Server {
  const api = getRequestListener((request) => control.fetch(request));
  const server = createServer((request, response) => {
    if (!r2.takeS3(request, response)) void api(request, response);
  });
  server.requestTimeout = REQUEST_MS;
  server.on("upgrade", (request, socket, head) => {
    // Node.js has let go of the connection: without a listener, a client that resets it would end this process.
    socket.on("error", () => socket.destroy());
    if (!control.upgrade(request, socket, head)) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
  return server;
}
