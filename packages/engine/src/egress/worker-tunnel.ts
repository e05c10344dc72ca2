import { connect, type Socket } from "node:net";
import { LongshoreError } from "@longshore/contract";

export interface TunnelWish {
  /** workerd's listener for this container, on the host's loopback. */
  readonly port: number;
  /** `<ip>:<port>`, IPv6 in brackets. */
  readonly destination: string;
  readonly header?: { readonly name: "X-Hostname" | "X-Tls-Sni"; readonly value: string };
}

export interface Tunnel {
  /** 200: a Worker takes the HTTP inside. 202: bytes as they are, to a Worker's `connect` or to where workerd dials. */
  readonly status: number;
  readonly socket: Socket;
  /** What came right behind the answer. */
  readonly head: Buffer;
}

const ANSWER_MS = 10_000;
/** How long a workerd that knows of no Internet may take to end what it does not take. */
const END_MS = 250;
const HEAD_BYTES = 8 * 1024;

/** Asks workerd to take a connection. Errors: `UNAVAILABLE` when it cannot be reached or does not answer; then nothing must go out. */
export async function askWorker({ port, destination, header }: TunnelWish): Promise<Tunnel> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const hint = header === undefined ? "" : `${header.name}: ${header.value}\r\n`;
  socket.write(`CONNECT ${destination} HTTP/1.1\r\nHost: ${destination}\r\n${hint}\r\n`);
  try {
    return await answer(socket);
  } catch (cause) {
    socket.destroy();
    throw new LongshoreError("UNAVAILABLE", `The application's Worker did not take an outbound connection to ${destination}.`, { cause });
  }
}

function answer(socket: Socket): Promise<Tunnel> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    const done = () => {
      clearTimeout(timer);
      socket.off("data", onData).off("error", onError).off("close", onClose);
    };
    const onError = (error: Error) => {
      done();
      reject(error);
    };
    const onClose = () => onError(new Error("closed without an answer"));
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0 && received.length < HEAD_BYTES) return;
      const status = /^HTTP\/1\.\d (\d{3})/.exec(received.toString("latin1", 0, Math.max(0, end)))?.[1];
      if (status === undefined) return onError(new Error("the answer is not HTTP"));
      socket.pause();
      done();
      resolve({ status: Number(status), socket, head: received.subarray(end + 4) });
    };
    socket.on("data", onData).once("error", onError).once("close", onClose);
  });
}

/** True if the tunnel's other end says nothing and ends. What it says instead stays to be read. */
export function endsAtOnce({ socket, head }: Tunnel): Promise<boolean> {
  if (head.length > 0) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (ended: boolean) => {
      clearTimeout(timer);
      socket.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", onEnd);
      resolve(ended);
    };
    const onEnd = () => settle(true);
    const onReadable = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      socket.unshift(chunk);
      settle(false);
    };
    const timer = setTimeout(() => settle(false), END_MS);
    socket.on("readable", onReadable).once("end", onEnd).once("close", onEnd).once("error", onEnd);
  });
}
