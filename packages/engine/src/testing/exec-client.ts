import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { docker } from "./docker-client.js";

/** An exec joined to a connection, as workerd and the docker command do it. */
export class AttachedExec {
  readonly id: string;
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  private constructor(id: string, socket: Socket, rest: Buffer) {
    this.id = id;
    this.socket = socket;
    this.#received = rest;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  static async start(socketPath: string, container: string, create: Record<string, unknown>, start: Record<string, unknown> = {}) {
    const attach = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
    const created = await docker(socketPath, "POST", `/containers/${container}/exec`, { ...attach, ...create });
    if (created.status !== 201) throw new Error(`${created.status} ${JSON.stringify(created.body)}`);
    const id = String(created.body.Id);
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    const body = JSON.stringify({ Detach: false, Tty: create.Tty === true, ...start });
    const headers = `Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    socket.write(`POST /exec/${id}/start HTTP/1.1\r\n${headers}\r\n\r\n${body}`);
    let head = Buffer.alloc(0);
    while (!head.includes("\r\n\r\n")) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      head = Buffer.concat([head, chunk]);
    }
    const end = head.indexOf("\r\n\r\n") + 4;
    if (!head.toString().startsWith("HTTP/1.1 101 ")) throw new Error(head.toString());
    return new AttachedExec(id, socket, head.subarray(end));
  }

  /** Everything received so far, raw. */
  get received(): Buffer {
    return this.#received;
  }

  /** Resolves when what was received holds `text`. */
  async until(text: string): Promise<void> {
    while (!this.#received.includes(text)) await once(this.socket, "data", { signal: AbortSignal.timeout(60_000) });
  }

  /** Waits for the end of the stream; output by stream, and the exit code as it is known at that moment. */
  async finish(socketPath: string) {
    if (!this.socket.readableEnded) await once(this.socket, "end", { signal: AbortSignal.timeout(120_000) });
    this.socket.destroy();
    const { body } = await docker(socketPath, "GET", `/exec/${this.id}/json`);
    return { ...split(this.#received), exitCode: body.ExitCode, running: body.Running, pid: body.Pid };
  }
}

function split(bytes: Buffer): { stdout: Buffer; stderr: Buffer } {
  const streams: Record<number, Buffer[]> = { 1: [], 2: [] };
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    streams[bytes[at] ?? 0]?.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(streams[1] ?? []), stderr: Buffer.concat(streams[2] ?? []) };
}
