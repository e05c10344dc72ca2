import { once } from "node:events";
import { createServer } from "node:net";

/** Below this the kernel gives no ports out by itself, so nobody takes one between our look and its use. */
const LOWEST = 10_000;
const BLOCK = 50;
const BLOCKS = 450;

let next = 0;

/** A port that nobody listens on, and that no other test's process is given: each has a block of its own. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + (process.pid % BLOCKS) * BLOCK + (next++ % BLOCK);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port);
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
