import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";

export interface DockerAnswer {
  readonly status: number;
  // Tests read whatever the API answers.
  readonly body: Record<string, unknown>;
}

/** One call of the Docker API on a unix socket, as workerd makes it: a connection each. */
export async function docker(socketPath: string, method: string, path: string, body?: unknown): Promise<DockerAnswer> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      { socketPath, method, path, agent: false, headers: body === undefined ? {} : { "content-type": "application/json" } },
      (response) => {
        text(response).then(
          (content) => resolve({ status: response.statusCode ?? 0, body: content === "" ? {} : JSON.parse(content) }),
          reject,
        );
      },
    );
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** `CONNECT` to an ingress port, then one HTTP request: its body, or the refusal. */
export async function fetchThrough(ingressPort: number, port: number, path = "/"): Promise<{ status: number; body: string }> {
  const socket = connect(ingressPort, "127.0.0.1");
  socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Dst-Addr: 10.0.0.1:${port}\r\n\r\n`);
  const head = await readHead(socket);
  if (!head.startsWith("HTTP/1.1 200"))
    return { status: Number(head.split(" ")[1]), body: (head.split("\r\n\r\n")[1] ?? "") + (await text(socket)) };
  socket.write(`GET ${path} HTTP/1.0\r\nHost: container\r\n\r\n`);
  const response = await text(socket);
  return { status: Number(response.split(" ")[1]), body: response.split("\r\n\r\n").slice(1).join("\r\n\r\n") };
}

async function readHead(socket: Socket): Promise<string> {
  let head = "";
  return await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`closed after "${head}"`)));
    socket.on("data", function onData(chunk: Buffer) {
      head += chunk.toString();
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      socket.removeAllListeners("close");
      resolve(head);
    });
  });
}
