import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Control } from "@longshore/control";

/** The API's server, not listening yet: requests, and the connections of those who watch a Worker. */
export function createApiServer(control: Control): Server {
  const server = createServer(getRequestListener((request) => control.fetch(request)));
  server.on("upgrade", (request, socket, head) => {
    if (!control.upgrade(request, socket, head)) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
  return server;
}
