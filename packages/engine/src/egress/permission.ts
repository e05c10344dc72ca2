import { askWorker } from "./worker-tunnel.js";

/** As `ContainerProxy` has them: the header of a question, that of the answer. */
const QUESTION_HEADER = "x-longshore-question";
const ANSWER = "x-container-outbound: internet";

const HTTP_PORT = 80;
const ANSWER_MS = 10_000;
const HEAD_BYTES = 8 * 1024;

/**
 * Asks the container's class whether a request to this host would go out as it is: no handler takes it, and its lists allow it. Whatever goes wrong,
 * the answer is no.
 */
export async function isPermitted(asked: { port: number; address: string; hostname: string }): Promise<boolean> {
  const { port, address, hostname } = asked;
  try {
    // The question is plain HTTP, whatever it is about: workerd takes that on its port alone.
    const { status, socket, head } = await askWorker({
      port,
      destination: `${address}:${HTTP_PORT}`,
      header: { name: "X-Hostname", value: hostname },
    });
    try {
      if (status !== 200) return false;
      socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
      socket.write(`GET / HTTP/1.1\r\nHost: ${hostname}\r\n${QUESTION_HEADER}: 1\r\nConnection: close\r\n\r\n`);
      let answer = head.toString("latin1");
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        answer += chunk.toString("latin1");
        if (answer.includes("\r\n\r\n") || answer.length > HEAD_BYTES) break;
      }
      return saysSo(answer);
    } finally {
      socket.destroy();
    }
  } catch {
    // The Worker is away, or says nothing: then nothing is allowed.
    return false;
  }
}

function saysSo(answer: string): boolean {
  const [status = "", ...headers] = answer.split("\r\n\r\n", 1)[0]?.split("\r\n") ?? [];
  return /^HTTP\/1\.1 204 /.test(status) && headers.some((line) => line.toLowerCase() === ANSWER);
}
