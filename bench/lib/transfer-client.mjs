// A client that is not the limit: one transfer on one connection, by hand, without a copy that is not needed. Runs as a process of its own, so
// that it can be started inside a container's network; its argument is the transfer as JSON, its output the outcome as JSON.
import { get } from "node:http";
import { connect } from "node:net";

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 64;

const transfers = {
  /** `mib` MiB of an answer's body. */
  async download({ target, mib }) {
    const length = mib * MIB;
    const from = performance.now();
    const connection = await open(target, `GET /${mib}${target.query ?? ""} HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`);
    let left = length - connection.body.length;
    await new Promise((resolve, reject) => {
      connection.take = (bytes) => {
        left -= bytes;
        if (left <= 0) resolve();
      };
      connection.socket.once("close", () => reject(new Error(`The connection was closed ${left} bytes before the end.`)));
      if (left <= 0) resolve();
    });
    return { mibPerSecond: (mib / (performance.now() - from)) * 1000 };
  },

  /** `mib` MiB of text that the program sends compressed; whether and how it is compressed when it comes is of no interest. */
  async compressed({ target, mib }) {
    const from = performance.now();
    const options = { host: "127.0.0.1", port: target.port, path: `/text/${mib}${target.query ?? ""}` };
    const headers = { host: target.host, "accept-encoding": "gzip" };
    const response = await new Promise((resolve, reject) => get({ ...options, headers }, resolve).once("error", reject));
    if (response.statusCode !== 200) throw new Error(`Answered with ${response.statusCode}`);
    for await (const _ of response);
    return { mibPerSecond: (mib / (performance.now() - from)) * 1000 };
  },

  /** `mib` MiB of a request's body; the answer says how many bytes came. */
  async upload({ target, mib }) {
    const length = mib * MIB;
    const from = performance.now();
    const piece = Buffer.alloc(MIB / 4, "longshore ");
    const head = `POST /upload${target.query ?? ""} HTTP/1.1\r\nHost: ${target.host}\r\nContent-Length: ${length}\r\n\r\n`;
    const connection = await open(target, head, async (outgoing) => {
      for (let sent = 0; sent < length; sent += piece.length) {
        if (!outgoing.write(piece)) await new Promise((resolve) => outgoing.once("drain", resolve));
      }
    });
    let answer = connection.body.toString();
    await new Promise((resolve, reject) => {
      const look = () => answer.includes(String(length)) && resolve();
      connection.take = (bytes, buffer) => {
        answer += buffer.toString("latin1", 0, bytes);
        look();
      };
      connection.socket.once("close", () => reject(new Error(`The upload was answered with: ${answer}`)));
      look();
    });
    return { mibPerSecond: (mib / (performance.now() - from)) * 1000 };
  },

  /** WebSocket messages that come back, with `window` of them on their way at any time. */
  async messages({ target, window, ms }) {
    const key = "bG9uZ3Nob3JlLWJlbmNoIQ==";
    const connection = await open(
      target,
      `GET /socket${target.query ?? ""} HTTP/1.1\r\nHost: ${target.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const frame = maskedFrame(Buffer.alloc(MESSAGE_BYTES, "message "));
    const many = Buffer.concat(Array.from({ length: window }, () => frame));
    const from = performance.now();
    // All messages are alike, so their bytes count them: a header of 2, and the content.
    let partial = 0;
    let messages = 0;
    await new Promise((resolve, reject) => {
      connection.take = (bytes) => {
        const whole = Math.floor((partial + bytes) / (MESSAGE_BYTES + 2));
        partial = (partial + bytes) % (MESSAGE_BYTES + 2);
        messages += whole;
        if (performance.now() - from >= ms) resolve();
        else if (whole > 0) connection.socket.write(many.subarray(0, whole * frame.length));
      };
      connection.socket.once("close", () => reject(new Error("The WebSocket was closed.")));
      connection.socket.write(many);
    });
    const seconds = (performance.now() - from) / 1000;
    return { messagesPerSecond: messages / seconds };
  },
};

/** A connection on which `head` was sent, `body` is being sent, and an answer's head has come. What comes later is only counted. */
async function open({ port }, head, body) {
  const buffer = Buffer.allocUnsafe(MIB / 4);
  let first = Buffer.alloc(0);
  let onHead;
  const answered = new Promise((resolve) => {
    onHead = resolve;
  });
  const connection = { socket: undefined, body: undefined, take: undefined };
  const socket = connect({
    host: "127.0.0.1",
    port,
    noDelay: true,
    onread: {
      buffer,
      callback: (bytes) => {
        if (connection.take !== undefined) {
          connection.take(bytes, buffer);
          return true;
        }
        first = Buffer.concat([first, buffer.subarray(0, bytes)]);
        const end = first.indexOf("\r\n\r\n");
        if (end < 0) return true;
        onHead({ head: first.subarray(0, end).toString("latin1"), body: first.subarray(end + 4) });
        // Not read on until somebody counts: not a byte may be missed.
        return false;
      },
    },
  });
  const failed = new Promise((_, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed without an answer.")));
  });
  failed.catch(() => undefined);
  socket.write(head);
  const [answer] = await Promise.race([Promise.all([answered, body?.(socket)]), failed]);
  const status = Number(answer.head.split(" ")[1]);
  if (status !== 200 && status !== 101) throw new Error(`Answered with ${answer.head}`);
  setImmediate(() => socket.resume());
  return Object.assign(connection, { socket, body: answer.body });
}

function maskedFrame(content) {
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = content.map((byte, index) => byte ^ mask[index & 3]);
  return Buffer.concat([Buffer.from([0x81, 0x80 | content.length]), mask, masked]);
}

const { kind, ...input } = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await transfers[kind](input)));
process.exit(0);
