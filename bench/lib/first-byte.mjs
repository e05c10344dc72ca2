import { connect } from "node:net";

/**
 * One GET (or another method) on a connection of its own. Resolves when the answer's first byte is there, with the head that came with it;
 * rejects when the connection fails first, so that a caller can tell "not listening yet" from an answer.
 *
 * @param {{ host?: string, port: number, path: string, hostHeader?: string, method?: string }} target
 * @returns {Promise<{ at: number, status: number, head: string }>} `at`: Unix time in ms, with fractions
 */
export function firstByte({ host = "127.0.0.1", port, path, hostHeader = host, method = "GET" }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${hostHeader}\r\nConnection: close\r\n\r\n`));
    socket.once("close", () => reject(new Error("The connection was closed without an answer.")));
    socket.once("data", (chunk) => {
      const at = now();
      const head = chunk.toString("latin1");
      socket.destroy();
      resolve({ at, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0), head });
    });
  });
}

/** Tries {@link firstByte} each millisecond until a server answers. Rejects after `deadlineMs`. */
export async function pollFirstByte(target, deadlineMs = 20_000) {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await firstByte(target);
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`No answer on port ${target.port} within ${deadlineMs} ms.`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Unix time in ms with fractions: comparable between processes of one machine. */
export function now() {
  return performance.timeOrigin + performance.now();
}
