// The program in the containers of the conformance suite. Port 8080 is open at once, 8081 two seconds later.

const { createServer } = require("node:http");
const { randomUUID } = require("node:crypto");
const { gzipSync } = require("node:zlib");
const { acceptWebSocket } = require("./websocket.js");

const LATE_MS = 2_000;
const boot = randomUUID();

const routes = {
  "/": (request, response) => response.end(`Hello from ${request.socket.localPort}: ${process.env.MESSAGE}`),
  "/boot": (_request, response) => response.end(boot),
  "/no-content": (_request, response) => response.writeHead(204).end(),
  "/error": (_request, response) => response.writeHead(500).end("the program's own error"),
  "/redirect": (_request, response) => response.writeHead(302, { location: "/boot" }).end(),
  "/cookies": (_request, response) => response.writeHead(200, { "set-cookie": ["a=1", "b=2"] }).end(),
  "/gzip": (_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("compressed by the program")),
  "/seen": (request, response) => response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers })),
  "/exit": (request, response) => response.end("", () => process.exit(Number(new URL(request.url, "http://x").searchParams.get("code")))),
  "/ticks": ticks,
  "/get": ask,
};

/** Ten lines, one each half second. */
function ticks(_request, response) {
  let left = 10;
  const timer = setInterval(() => {
    response.write(`tick ${left--}\n`);
    if (left > 0) return;
    clearInterval(timer);
    response.end();
  }, 500);
}

/** What came of asking for another URL from in here. */
async function ask(request, response) {
  try {
    const answer = await fetch(new URL(request.url, "http://x").searchParams.get("url"), { signal: AbortSignal.timeout(15_000) });
    response.end(`${answer.status} ${await answer.text()}`);
  } catch (error) {
    response.end(`failed: ${error.cause?.message ?? error.message}`);
  }
}

function answer(request, response) {
  if (request.method === "POST") return request.pipe(response);
  const route = routes[request.url.split("?")[0]];
  if (route === undefined) response.writeHead(404).end("no such route");
  else void route(request, response);
}

const server = createServer(answer);
server.on("upgrade", (request, socket, head) => {
  const close = new URL(request.url, "http://x").searchParams.get("close");
  const webSocket = acceptWebSocket(request, socket, head, { message: (data, isBinary) => webSocket.send(data, isBinary) });
  webSocket?.send("welcome", false);
  if (close !== null) webSocket?.close(Number(close), "the program has had enough");
});
server.listen(8080);
setTimeout(() => createServer(answer).listen(8081), LATE_MS);

// It takes its time, so that a request can come meanwhile.
process.on("SIGTERM", () => setTimeout(() => process.exit(0), 700));
process.on("SIGINT", () => process.exit(42));
