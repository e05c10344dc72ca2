import { request } from "node:http";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";

const DEADLINE_MS = 30_000;

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface Command {
  readonly argv: readonly string[];
  readonly environment: readonly string[];
  /** Absent: no terminal; output comes in Docker's frames. */
  readonly terminal?: TerminalSize;
}

/** A command that runs in a container. */
export interface RunningCommand {
  readonly stream: Duplex;
  resize(size: TerminalSize): Promise<void>;
  /** Once the stream has ended. */
  exitCode(): Promise<number>;
}

/** Runs a command in a container by the Docker Engine API on an application's socket. Errors: `UNAVAILABLE`, and what the engine says. */
export async function runInContainer(
  socketPath: string,
  container: string,
  { argv, environment, terminal }: Command,
): Promise<RunningCommand> {
  const created = await ask(socketPath, "POST", `/containers/${container}/exec`, {
    Cmd: argv,
    Env: environment,
    Tty: terminal !== undefined,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const { Id: id } = JSON.parse(created) as { Id: string };
  const size = terminal === undefined ? {} : { ConsoleSize: [terminal.rows, terminal.columns] };
  const stream = await joined(socketPath, `/exec/${id}/start`, { Detach: false, Tty: terminal !== undefined, ...size });
  return {
    stream,
    async resize({ rows, columns }) {
      await ask(socketPath, "POST", `/exec/${id}/resize?h=${rows}&w=${columns}`);
    },
    async exitCode() {
      const { ExitCode } = JSON.parse(await ask(socketPath, "GET", `/exec/${id}/json`)) as { ExitCode: number | null };
      return ExitCode ?? 255;
    },
  };
}

function ask(socketPath: string, method: string, path: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath, method, path, agent: false, headers: jsonHeaders, signal: AbortSignal.timeout(DEADLINE_MS) },
      (answer) => {
        text(answer).then((said) => ((answer.statusCode ?? 500) < 300 ? resolve(said) : reject(refused(said))), reject);
      },
    );
    outgoing.once("error", (cause) => reject(unreachable(cause)));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function joined(socketPath: string, path: string, body: unknown): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const headers = { ...jsonHeaders, connection: "Upgrade", upgrade: "tcp" };
    const outgoing = request({ socketPath, method: "POST", path, agent: false, headers });
    outgoing.setTimeout(DEADLINE_MS, () => outgoing.destroy(new Error("It took too long.")));
    outgoing.once("error", (cause) => reject(unreachable(cause)));
    outgoing.once("upgrade", (_answer, socket, head) => {
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.once("response", (answer) => {
      text(answer).then((said) => reject(refused(said)), reject);
    });
    outgoing.end(JSON.stringify(body));
  });
}

const jsonHeaders = { host: "engine", "content-type": "application/json" };

function refused(said: string): LongshoreError {
  let message = said;
  try {
    message = (JSON.parse(said) as { message?: string }).message ?? said;
  } catch {
    // Not the engine's own words; all of it is shown.
  }
  return new LongshoreError("UNAVAILABLE", message);
}

function unreachable(cause: unknown): LongshoreError {
  return new LongshoreError("UNAVAILABLE", "The container engine does not answer.", { cause });
}
