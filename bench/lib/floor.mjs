import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { end } from "./command.mjs";
import { now, pollFirstByte } from "./first-byte.mjs";

/** The least that any platform could do: the same program started on the host, and a request each millisecond until the first byte. */
export async function bareStart({ program, args, path }) {
  const port = await freePort();
  const from = now();
  const child = spawn(program, args(port), { stdio: "ignore" });
  try {
    const { at, status } = await pollFirstByte({ port, path });
    return { ms: at - from, status };
  } finally {
    await end(child, "SIGKILL");
  }
}

/** A port that nothing listens on. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
