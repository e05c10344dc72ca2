import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { Exec, TerminalSize } from "../exec/exec.js";
import type { ExecRegistry } from "../exec/registry.js";
import type { Instance } from "../instance/instance.js";
import type { HijackRoute } from "./hijack.js";
import type { Answer, Exchange, Route } from "./router.js";

const createBody = z.object({
  Cmd: z.array(z.string()).nullish(),
  Env: z.array(z.string()).nullish(),
  User: z.string().nullish(),
  WorkingDir: z.string().nullish(),
  Tty: z.boolean().nullish(),
  AttachStdin: z.boolean().nullish(),
  AttachStdout: z.boolean().nullish(),
  AttachStderr: z.boolean().nullish(),
});
const startBody = z.object({
  Detach: z.boolean().nullish(),
  /** Height, width. */
  ConsoleSize: z.tuple([z.number(), z.number()]).nullish(),
});

const DEFAULT_SIZE: TerminalSize = { rows: 24, columns: 80 };
const START = /^\/exec\/([0-9a-f]+)\/start$/;

/** The part of the Docker API that runs commands in containers. `find` gives a container by name or id, or throws `NOT_FOUND`. */
export function execRoutes(execs: ExecRegistry, find: (name: string) => Instance): Route[] {
  return [
    {
      method: "POST",
      path: /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/exec$/,
      handle: async ({ parameters: [name = ""], body }) => ({ status: 201, body: { Id: create(execs, find(name), await body()).id } }),
    },
    { method: "POST", path: START, handle: async (exchange) => await startPlain(execs, exchange) },
    {
      method: "POST",
      path: /^\/exec\/([0-9a-f]+)\/resize$/,
      handle: ({ parameters: [id = ""], query }) => {
        execs.find(id).resize(size(Number(query.get("h")), Number(query.get("w"))));
        return { status: 200 };
      },
    },
    {
      method: "GET",
      path: /^\/exec\/([0-9a-f]+)\/json$/,
      handle: ({ parameters: [id = ""] }) => ({ status: 200, body: inspect(execs.find(id)) }),
    },
  ];
}

/** Joined to the connection in both directions: what `docker exec` and workerd ask for. */
export function execHijackRoutes(execs: ExecRegistry): HijackRoute[] {
  return [
    {
      method: "POST",
      path: START,
      handle: async ({ parameters: [id = ""], body, accept }) => {
        const connect = () => {
          const connection = accept();
          return { output: connection, input: connection };
        };
        await execs.start(execs.find(id), connect, consoleSize(parse(startBody, body)));
      },
    },
  ];
}

/** Without an upgrade: detached, or output only. */
async function startPlain(execs: ExecRegistry, { parameters: [id = ""], body, response }: Exchange): Promise<Answer> {
  const exec = execs.find(id);
  const request = parse(startBody, await body());
  if (request.Detach === true) {
    await execs.start(exec, () => undefined);
    return { status: 200 };
  }
  await execs.start(
    exec,
    () => {
      response.writeHead(200, { "content-type": "application/vnd.docker.raw-stream" });
      return { output: response };
    },
    consoleSize(request),
  );
  if (!response.writableEnded && !response.destroyed) await new Promise((resolve) => response.once("close", resolve));
  return { status: 200 };
}

function create(execs: ExecRegistry, instance: Instance, body: unknown): Exec {
  const request = parse(createBody, body);
  return execs.create(instance, {
    command: request.Cmd ?? [],
    environment: request.Env ?? [],
    terminal: request.Tty ?? false,
    stdin: request.AttachStdin ?? false,
    stdout: request.AttachStdout ?? false,
    stderr: request.AttachStderr ?? false,
    ...(request.User == null ? {} : { user: request.User }),
    ...(request.WorkingDir == null ? {} : { workingDirectory: request.WorkingDir }),
  });
}

function inspect(exec: Exec): Record<string, unknown> {
  const { request } = exec;
  const [entrypoint = "", ...args] = request.command;
  return {
    ID: exec.id,
    Running: exec.running,
    ExitCode: exec.exitCode ?? null,
    Pid: exec.pid,
    ContainerID: exec.instance.record.id,
    OpenStdin: request.stdin,
    OpenStdout: request.stdout,
    OpenStderr: request.stderr,
    ProcessConfig: { tty: request.terminal, entrypoint, arguments: args, user: request.user ?? "", privileged: false },
  };
}

function consoleSize({ ConsoleSize }: z.infer<typeof startBody>): TerminalSize | undefined {
  if (ConsoleSize == null) return undefined;
  // 0 is a side that the caller left open.
  const [rows, columns] = ConsoleSize;
  return size(rows || DEFAULT_SIZE.rows, columns || DEFAULT_SIZE.columns);
}

function size(rows: number, columns: number): TerminalSize {
  if ([rows, columns].every((value) => Number.isInteger(value) && value > 0 && value < 65536)) return { rows, columns };
  throw new LongshoreError("INVALID_INPUT", `${rows} rows and ${columns} columns are not a terminal's size.`);
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", `The exec cannot be run: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
}
