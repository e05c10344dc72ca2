// The program whose throughput is measured, made so that it is not the limit: GET /<n> sends n MiB, GET /text a line, GET /text/<n> n MiB of
// text, compressed; POST counts what comes, and a WebSocket gets back each message. A query is of no interest.

import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const MIB = 1024 * 1024;
const TEXT = "Hi, I'm a container, and this is my message.\n";
const TEXT_HEADERS = { "content-type": "text/plain", "content-length": Buffer.byteLength(TEXT) };
const piece = Buffer.alloc(MIB / 4, "longshore ");

const server = createServer((request, response) => {
  const [path] = request.url.split("?");
  if (request.method !== "GET") count(request, response);
  else if (path === "/text") response.writeHead(200, TEXT_HEADERS).end(TEXT);
  else if (path.startsWith("/text/")) sendCompressed(Number(path.slice("/text/".length)), response);
  else send(Number(path.slice(1)) * MIB, response);
});

let compressed;

/** The same compressed MiB over and over: files of gzip may follow each other. */
function sendCompressed(mib, response) {
  compressed ??= gzipSync(randomBytes((MIB / 4) * 3).toString("base64"), { level: 1 });
  response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip", "content-length": compressed.length * mib });
  let left = mib;
  const more = () => {
    while (left-- > 0) if (!response.write(compressed)) return response.once("drain", more);
    response.end();
  };
  more();
}

function send(bytes, response) {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const part = left >= piece.length ? piece : piece.subarray(0, left);
      left -= part.length;
      if (!response.write(part)) return response.once("drain", more);
    }
    response.end();
  };
  more();
}

function count(request, response) {
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
  });
  request.on("end", () => response.end(String(bytes)));
}

server.on("upgrade", (request, socket, head) => {
  const key = request.headers["sec-websocket-key"];
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.setNoDelay(true);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let rest = head;
  socket.on("data", (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const { echo, used, closed } = echoed(bytes);
    rest = bytes.subarray(used);
    if (echo.length > 0) socket.write(echo);
    if (closed) socket.end();
  });
  socket.on("error", () => socket.destroy());
});

/** All whole frames in `bytes`, unmasked, as the server's own. Frames have at most 125 bytes here. */
function echoed(bytes) {
  const echo = Buffer.allocUnsafe(bytes.length);
  let used = 0;
  let written = 0;
  let closed = false;
  while (used + 6 <= bytes.length) {
    const length = bytes[used + 1] & 0x7f;
    if (used + 6 + length > bytes.length) break;
    closed = (bytes[used] & 0x0f) === 8;
    echo[written] = bytes[used];
    echo[written + 1] = length;
    for (let index = 0; index < length; index++) echo[written + 2 + index] = bytes[used + 6 + index] ^ bytes[used + 2 + (index & 3)];
    used += 6 + length;
    written += 2 + length;
  }
  return { echo: echo.subarray(0, written), used, closed };
}

server.listen(8080, "0.0.0.0");
