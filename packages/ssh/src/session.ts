import type { ServerChannel, Session } from "ssh2";
import { type RunningCommand, runInContainer, type TerminalSize } from "./engine-exec.js";
import { FrameReader } from "./frames.js";

export interface Place {
  /** The unix socket of the application's engine. */
  readonly socketPath: string;
  readonly container: string;
}

/** The image's best shell. */
const SHELL = ["/bin/sh", "-c", 'exec "$(command -v bash || command -v sh)" -l'];
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MOST_VARIABLES = 100;
const LOST = 255;

/** One session of a connection: a shell or a command, with or without a terminal. Everything else that a client may ask for is refused. */
export function serveSession(session: Session, place: Place): void {
  const environment: string[] = [];
  let terminal: TerminalSize | undefined;
  let running: RunningCommand | undefined;
  session.on("env", (accept, reject, { key, val }) => {
    if (!VARIABLE.test(key) || environment.length >= MOST_VARIABLES) return reject?.();
    environment.push(`${key}=${val}`);
    accept?.();
  });
  session.on("pty", (accept, _reject, info) => {
    terminal = sizeOf(info);
    const { term } = info as { term?: string };
    if (typeof term === "string" && term !== "") environment.push(`TERM=${term}`);
    accept?.();
  });
  session.on("window-change", (accept, _reject, info) => {
    terminal = sizeOf(info);
    // A command that has ended has no size.
    running?.resize(terminal).catch(() => undefined);
    accept?.();
  });
  const run = async (channel: ServerChannel, argv: readonly string[]) => {
    try {
      running = await runInContainer(place.socketPath, place.container, {
        argv,
        environment,
        ...(terminal === undefined ? {} : { terminal }),
      });
      await join(channel, running, terminal !== undefined);
    } catch (error) {
      channel.stderr.write(`${error instanceof Error ? error.message : String(error)}\r\n`);
      channel.exit(LOST);
    }
    channel.end();
  };
  session.on("shell", (accept) => void run(accept(), SHELL));
  session.on("exec", (accept, _reject, { command }) => void run(accept(), ["/bin/sh", "-c", command]));
}

/** Passes bytes on in both directions, no faster than they are taken, until the command has ended; then its exit code. */
async function join(channel: ServerChannel, { stream, exitCode }: RunningCommand, terminal: boolean): Promise<void> {
  channel.pipe(stream);
  // Either side may be gone at any moment; the end of the loop says so.
  stream.on("error", () => stream.destroy());
  channel.on("close", () => stream.destroy());
  const frames = new FrameReader();
  try {
    for await (const chunk of stream) {
      const pieces = terminal ? [{ error: false, bytes: chunk as Buffer }] : frames.read(chunk as Buffer);
      for (const { error, bytes } of pieces) {
        const target = error ? channel.stderr : channel;
        if (!target.write(bytes)) await new Promise((resolve) => onceOf(channel, ["drain", "close"], target, resolve));
      }
    }
  } catch (error) {
    if (!stream.destroyed) throw error;
  }
  channel.exit(await exitCode());
}

function onceOf(
  channel: NodeJS.EventEmitter,
  names: readonly string[],
  target: NodeJS.EventEmitter,
  then: (value?: unknown) => void,
): void {
  for (const name of names) {
    channel.once(name, then);
    if (target !== channel) target.once(name, then);
  }
}

function sizeOf({ rows, cols }: { rows: number; cols: number }): TerminalSize {
  const within = (value: number, otherwise: number) => (value > 0 && value < 65_536 ? value : otherwise);
  return { rows: within(rows, 24), columns: within(cols, 80) };
}
