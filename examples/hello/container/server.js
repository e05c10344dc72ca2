// The program inside the container: one HTTP server, nothing but Node. It answers what Longshore gave it (message, variables, instance
// id), and has one route for each thing a container must be able to do: echo a body, stream events, speak WebSocket, write its disk.
"use strict";

const { createServer } = require("node:http");
const { randomUUID } = require("node:crypto");
const { once } = require("node:events");
const { readFile, mkdir, writeFile } = require("node:fs/promises");
const { join } = require("node:path");
const { hostname } = require("node:os");
const { acceptWebSocket } = require("./websocket.js");

const PORT = Number(process.env.PORT ?? 8080);
const DISK = process.env.DISK_DIR ?? "/var/hello";

/** This life of the container: a restart gives a new one. */
const instance = process.env.CLOUDFLARE_DEPLOYMENT_ID || randomUUID();
const startedAt = new Date().toISOString();
const sockets = new Set();

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(`${request.method} ${request.url} failed:`, error);
    if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
    response.end(`${error.message}\n`);
  });
});

async function answer(request, response) {
  if (request.method === "POST" || request.method === "PUT") return echo(request, response);
  const url = new URL(request.url, "http://container");
  const route = url.pathname.split("/").pop();
  if (route === "sse") return sendEvents(url, response);
  if (route === "disk") return useDisk(response);
  if (route === "crash") process.exit(Number(url.searchParams.get("code") ?? 1));
  if (route === "slow") await new Promise((resolve) => setTimeout(resolve, Number(url.searchParams.get("ms") ?? 1000)));
  sendJson(response, describe(url));
}

function describe(url) {
  const cloudflare = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("CLOUDFLARE_")));
  return {
    greeting: `Hi, I'm a container and this is my message: ${process.env.MESSAGE}, and my instance ID is: ${instance}`,
    message: process.env.MESSAGE,
    instance,
    hostname: hostname(),
    path: url.pathname,
    startedAt,
    pid: process.pid,
    cloudflare,
  };
}

function sendJson(response, value) {
  const body = `${JSON.stringify(value, null, 2)}\n`;
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Sends the body back while it arrives. */
function echo(request, response) {
  const headers = { "content-type": request.headers["content-type"] ?? "application/octet-stream", "x-instance": instance };
  if (request.headers["content-length"]) headers["content-length"] = request.headers["content-length"];
  response.writeHead(200, headers);
  request.pipe(response);
}

/** Server-sent events, `count` of them, one each `ms`; each says when it was written. */
async function sendEvents(url, response) {
  const count = Number(url.searchParams.get("count") ?? 5);
  const ms = Number(url.searchParams.get("ms") ?? 200);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (let id = 1; id <= count && !response.destroyed; id++) {
    response.write(`id: ${id}\ndata: ${JSON.stringify({ id, instance, at: Date.now() })}\n\n`);
    if (id < count) await new Promise((resolve) => setTimeout(resolve, ms));
  }
  response.end();
}

/** Tells what an earlier request left on this disk, then leaves a note of its own. */
async function useDisk(response) {
  await mkdir(DISK, { recursive: true });
  const file = join(DISK, "note.txt");
  const found = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  await writeFile(file, instance);
  sendJson(response, { found, wrote: await readFile(file, "utf8"), instance });
}

server.on("upgrade", (request, socket, head) => {
  const webSocket = acceptWebSocket(request, socket, head, {
    message: (data, isBinary) => webSocket.send(data, isBinary),
  });
  if (webSocket === undefined) return;
  sockets.add(webSocket);
  socket.on("close", () => sockets.delete(webSocket));
});

server.listen(PORT, () => console.log(`hello listens on ${PORT}, instance ${instance}`));

/** SIGTERM: take no more requests, finish those in flight, exit 0. */
async function shutDown(signal) {
  console.log(`${signal}: finishing`);
  const closed = once(server, "close");
  server.keepAliveTimeout = 1;
  server.close();
  server.closeIdleConnections();
  for (const webSocket of sockets) webSocket.close(1001, "the container is stopping");
  await closed;
  process.exit(0);
}
process.on("SIGTERM", () => void shutDown("SIGTERM"));
process.on("SIGINT", () => void shutDown("SIGINT"));
