import { join } from "node:path";
import { finished, type Writable } from "node:stream";
import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import { readLog } from "../../log/read.js";
import { feedInput, resizeTerminal } from "../../sandbox/attach.js";
import { frame } from "../frames.js";
import type { Hijack, HijackRoute } from "../hijack.js";
import type { Route } from "../router.js";
import { writeTo } from "../write.js";

const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";
const MAX_SIZE = 10_000;

type Find = (name: string) => Instance;

/** `docker attach`, and `docker run` without `-d`. Output comes by way of the log: whoever lags behind it by more than the log keeps misses some. */
export function attachRoutes(engine: ContainerEngine, find: Find): HijackRoute[] {
  return [
    {
      method: "POST",
      path: new RegExp(`^/containers/${NAME}/attach$`),
      handle: async (hijack) => await attach(engine, find(hijack.parameters[0] ?? ""), hijack),
    },
  ];
}

export function resizeRoute(engine: ContainerEngine, find: Find): Route {
  return {
    method: "POST",
    path: new RegExp(`^/containers/${NAME}/resize$`),
    handle: ({ parameters: [name = ""], query }) => {
      const [rows, columns] = [Number(query.get("h")), Number(query.get("w"))];
      for (const each of [rows, columns]) {
        if (!Number.isInteger(each) || each < 0 || each > MAX_SIZE)
          throw new LongshoreError("INVALID_INPUT", "The terminal's size is not valid.");
      }
      const { record } = find(name);
      if (record.own?.terminal === true) resizeTerminal(join(engine.parts.host.directory, record.id), rows, columns);
      return { status: 200 };
    },
  };
}

async function attach(engine: ContainerEngine, instance: Instance, { query, accept }: Hijack): Promise<void> {
  const { record } = instance;
  if (!instance.live) throw new LongshoreError("CONFLICT", `The container ${record.id} is not running.`);
  const wants = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const client = accept();
  const gone = new AbortController();
  client.once("close", () => gone.abort());
  const input = wants("stdin") && record.own?.console.stdin === true;
  const directory = join(engine.parts.host.directory, record.id);
  // A failure to feed ends the input alone: the output has its own end.
  if (input)
    void feedInput(directory, client, gone.signal).catch((error: unknown) =>
      engine.parts.log("input ended", { id: record.id, error: String(error) }),
    );
  else client.resume();
  const streams = new Set((["stdout", "stderr"] as const).filter(wants));
  await sendOutput(engine, instance, { client, streams, whole: wants("logs"), gone: gone.signal });
  if (client.destroyed) return;
  await new Promise<void>((resolve) => {
    finished(client, { readable: false }, () => resolve());
    client.end();
  });
}

interface OutputTarget {
  readonly client: Writable;
  readonly streams: ReadonlySet<"stdout" | "stderr">;
  /** From its beginning. */
  readonly whole: boolean;
  readonly gone: AbortSignal;
}

/** What a container writes from now on. Before its start there is nothing yet, so then nothing is missed. */
async function sendOutput(engine: ContainerEngine, instance: Instance, { client, streams, whole, gone }: OutputTarget): Promise<void> {
  const fromStart = whole || instance.status === "created";
  const selection = { followUntil: instance.exited, ...(fromStart ? {} : { tail: 0 }) };
  const raw = instance.record.own?.terminal === true;
  for await (const { stream, whole: line, text } of readLog(engine.parts.logs.file(instance.record.id), selection, gone)) {
    if (client.destroyed) return;
    if (!raw && !streams.has(stream)) continue;
    const bytes = line ? Buffer.concat([text, Buffer.from("\n")]) : text;
    await writeTo(client, raw ? bytes : frame(stream, bytes));
  }
}
