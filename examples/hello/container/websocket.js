// The server's half of the WebSocket protocol (RFC 6455), as small as an echo needs it: text, binary, fragments, ping, close.
"use strict";

const { createHash } = require("node:crypto");

const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa };
const MAX_MESSAGE = 32 * 1024 * 1024;

/**
 * Answers an upgrade request and calls `on.message(data: Buffer, isBinary)` for each message.
 * Returns `{ send(data, isBinary), close(code, reason) }`, or `undefined` if the request was refused.
 */
function acceptWebSocket(request, socket, head, on) {
  const key = request.headers["sec-websocket-key"];
  if (request.headers.upgrade?.toLowerCase() !== "websocket" || key === undefined) {
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return undefined;
  }
  const accept = createHash("sha1")
    .update(key + KEY_SUFFIX)
    .digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
  socket.setNoDelay(true);

  let closing = false;
  const webSocket = {
    send: (data, isBinary) => socket.write(frame(isBinary ? OPCODE.binary : OPCODE.text, Buffer.from(data))),
    close(code, reason = "") {
      if (closing) return;
      closing = true;
      const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
      payload.writeUInt16BE(code);
      payload.write(reason, 2);
      socket.write(frame(OPCODE.close, payload));
      // A peer that does not answer the close is not waited for.
      setTimeout(() => socket.destroy(), 1000).unref();
    },
  };

  let fragments = [];
  let fragmentsAreBinary = false;
  const read = frameReader(({ fin, opcode, payload }) => {
    if (opcode === OPCODE.ping) socket.write(frame(OPCODE.pong, payload));
    else if (opcode === OPCODE.close) {
      if (!closing) socket.write(frame(OPCODE.close, payload.subarray(0, 2)));
      closing = true;
      socket.end();
    } else if (opcode === OPCODE.text || opcode === OPCODE.binary || opcode === OPCODE.continuation) {
      if (opcode !== OPCODE.continuation) fragmentsAreBinary = opcode === OPCODE.binary;
      fragments.push(payload);
      if (!fin) return;
      const message = Buffer.concat(fragments);
      fragments = [];
      on.message(message, fragmentsAreBinary);
    }
  });
  const take = (chunk) => {
    if (!read(chunk)) webSocket.close(1009, "message too big");
  };
  socket.on("data", take);
  socket.on("error", () => socket.destroy());
  if (head.length > 0) take(head);
  return webSocket;
}

/** Cuts the byte stream into frames. The returned function answers `false` for a frame that is too big. */
function frameReader(onFrame) {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      const header = parseHeader(pending);
      if (header === undefined) return true;
      if (header.length > MAX_MESSAGE) return false;
      const end = header.start + header.length;
      if (pending.length < end) return true;
      const payload = Buffer.from(pending.subarray(header.start, end));
      if (header.mask !== undefined) for (let i = 0; i < payload.length; i++) payload[i] ^= header.mask[i & 3];
      pending = pending.subarray(end);
      onFrame({ fin: header.fin, opcode: header.opcode, payload });
    }
  };
}

function parseHeader(bytes) {
  if (bytes.length < 2) return undefined;
  const masked = (bytes[1] & 0x80) !== 0;
  let length = bytes[1] & 0x7f;
  let start = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    start = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    start = 10;
  }
  if (masked && bytes.length < start + 4) return undefined;
  const mask = masked ? bytes.subarray(start, start + 4) : undefined;
  if (masked) start += 4;
  return { fin: (bytes[0] & 0x80) !== 0, opcode: bytes[0] & 0x0f, length, start, mask };
}

function frame(opcode, payload) {
  const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  if (header.length === 2) header[1] = payload.length;
  else if (header.length === 4) {
    header[1] = 126;
    header.writeUInt16BE(payload.length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([header, payload]);
}

module.exports = { acceptWebSocket };
