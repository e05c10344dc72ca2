import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Platform } from "@longshore/testkit";
import { WebSocket } from "ws";

const PIECE = Buffer.alloc(1000, "x");
const PAUSE_MS = 100;

/** An upload that comes back as it arrives, over `ms`. Resolves to what went wrong, or `undefined`. */
export async function upload(platform: Platform, app: string, path: string, ms: number): Promise<string | undefined> {
  const pieces = Math.ceil(ms / PAUSE_MS);
  const outgoing = open(platform, app, path, "POST");
  const answer = received(outgoing);
  for (let sent = 0; sent < pieces && !outgoing.destroyed; sent++) {
    outgoing.write(PIECE);
    await sleep(PAUSE_MS);
  }
  outgoing.end();
  return (await answer).problem(pieces * PIECE.length);
}

/** Server-sent events over `ms`. Resolves to what went wrong, or `undefined`. */
export async function download(platform: Platform, app: string, path: string, ms: number): Promise<string | undefined> {
  const outgoing = open(platform, app, `${path}?ms=${PAUSE_MS}&count=${Math.ceil(ms / PAUSE_MS)}`, "GET");
  const answer = received(outgoing);
  outgoing.end();
  return (await answer).problem(undefined);
}

/** An open WebSocket: `closed` resolves to the moment of its end, `echoed` sends a message and waits until it comes back. */
export async function webSocket(
  platform: Platform,
  app: string,
  path: string,
): Promise<{ closed: Promise<number>; echoed(): Promise<void> }> {
  const { port, host } = place(platform, app);
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { host } });
  await once(socket, "open");
  const closed = once(socket, "close").then(() => performance.now());
  return {
    closed,
    async echoed() {
      socket.send("still there?");
      const [message] = await once(socket, "message");
      if (String(message) !== "still there?") throw new Error(`The WebSocket echoed ${message}`);
    },
  };
}

function open(platform: Platform, app: string, path: string, method: string): ClientRequest {
  const { port, host } = place(platform, app);
  return request({ host: "127.0.0.1", port, method, path, headers: { host }, agent: false });
}

interface Received {
  problem(bytes: number | undefined): string | undefined;
}

async function received(outgoing: ClientRequest): Promise<Received> {
  return await new Promise((resolve) => {
    outgoing.once("error", (error) => resolve({ problem: () => String(error) }));
    outgoing.once("response", (response: IncomingMessage) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("error", () => undefined);
      response.once("close", () =>
        resolve({
          problem: (wanted) => {
            if (response.statusCode !== 200) return `answered with ${response.statusCode}`;
            if (!response.complete) return `cut after ${bytes} bytes`;
            return wanted === undefined || wanted === bytes ? undefined : `${bytes} of ${wanted} bytes`;
          },
        }),
      );
    });
  });
}

function place(platform: Platform, app: string): { port: number; host: string } {
  return { port: platform.presence.edgePort, host: new URL(platform.url(app)).host };
}
