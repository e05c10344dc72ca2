import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const PROTOCOL = "trace-v1";
const ACCEPT_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;
/** Clients send next to nothing. */
const LONGEST_FRAME = 4096;
/** A client that reads slower than its Worker works loses events, not this server's memory. In bytes. */
const MOST_WAITING = 4 * 1024 * 1024;

/**
 * The server's side of a tail's WebSocket. The usual libraries cannot be it: wrangler sends its first message unmasked, which they end the connection
 * for, as RFC 6455 asks. Masked or not, here both are read, and only pings and closes are answered.
 */
export class TailSocket {
  readonly #socket: Duplex;
  #pending = Buffer.alloc(0);
  #ended = false;

  /** Accepts the upgrade. `onEnd` is called once, when either side has closed. */
  constructor(request: IncomingMessage, socket: Duplex, head: Buffer, onEnd: () => void) {
    this.#socket = socket;
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"] ?? ""}${ACCEPT_KEY}`)
      .digest("base64");
    const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
    socket.write(`${[...lines, `Sec-WebSocket-Protocol: ${PROTOCOL}`].join("\r\n")}\r\n\r\n`);
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    // An error is an end like another: "close" follows.
    socket.on("error", () => socket.destroy());
    socket.once("close", onEnd);
    if (head.length > 0) this.#read(head);
  }

  send(message: string): void {
    if (this.#socket.writableLength < MOST_WAITING) this.#write(OPCODE.text, Buffer.from(message));
  }

  close(code: number): void {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#write(OPCODE.close, payload);
    this.#ended = true;
    this.#socket.end();
  }

  #read(bytes: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    for (let frame = readFrame(this.#pending); frame !== undefined && !this.#ended; frame = readFrame(this.#pending)) {
      if (frame === "too long") {
        this.close(1009);
        return;
      }
      this.#pending = this.#pending.subarray(frame.length);
      if (frame.opcode === OPCODE.ping) this.#write(OPCODE.pong, frame.payload);
      if (frame.opcode === OPCODE.close) this.close(frame.payload.length >= 2 ? frame.payload.readUInt16BE() : 1000);
    }
  }

  #write(opcode: number, payload: Buffer): void {
    if (this.#ended || !this.#socket.writable) return;
    const long = payload.length > 0xffff;
    const header = Buffer.alloc(payload.length < 126 ? 2 : long ? 10 : 4);
    header[0] = 0x80 | opcode;
    header[1] = payload.length < 126 ? payload.length : long ? 127 : 126;
    if (long) header.writeBigUInt64BE(BigInt(payload.length), 2);
    else if (header.length === 4) header.writeUInt16BE(payload.length, 2);
    this.#socket.write(Buffer.concat([header, payload]));
  }
}

/** The first whole frame of what has come. */
function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | "too long" | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes.readUInt8(0), bytes.readUInt8(1)];
  let size = second & 0x7f;
  let offset = 2;
  if (size === 127) return "too long";
  if (size === 126) {
    if (bytes.length < 4) return undefined;
    size = bytes.readUInt16BE(2);
    offset = 4;
  }
  if (size > LONGEST_FRAME) return "too long";
  const masked = (second & 0x80) !== 0;
  const start = offset + (masked ? 4 : 0);
  if (bytes.length < start + size) return undefined;
  const payload = Buffer.from(bytes.subarray(start, start + size));
  if (masked) for (const [index, byte] of payload.entries()) payload[index] = byte ^ bytes.readUInt8(offset + (index % 4));
  return { opcode: first & 0x0f, payload, length: start + size };
}
