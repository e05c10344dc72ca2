import { join } from "node:path";
import { type Duplex, finished } from "node:stream";
import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import { readLog } from "../../log/read.js";
import { Attachment, resizeTerminal } from "../../sandbox/attach.js";
import { frame } from "../frames.js";
import type { Hijack, HijackRoute } from "../hijack.js";
import type { Route } from "../router.js";
import { writeTo } from "../write.js";

const NAME = "([A-Za-z0-9][A-Za-z0-9_.-]*)";
const MAX_SIZE = 10_000;

type Find = (name: string) => Instance;
type Stream = "stdout" | "stderr";

/** `docker attach`, and `docker run` without `-d`. */
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
      if (record.own?.terminal === true) resizeTerminal(directoryOf(engine, record.id), rows, columns);
      return { status: 200 };
    },
  };
}

async function attach(engine: ContainerEngine, instance: Instance, { query, accept }: Hijack): Promise<void> {
  const { record } = instance;
  if (!instance.live) throw new LongshoreError("CONFLICT", `The container ${record.id} is not running.`);
  const wants = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const streams = new Set((["stdout", "stderr"] as const).filter(wants));
  using attachment = record.own === undefined ? undefined : new Attachment(directoryOf(engine, record.id));
  const client = accept();
  const gone = new AbortController();
  client.once("close", () => gone.abort());
  if (attachment === undefined) {
    client.resume();
    await followOutput(engine, instance, client, streams, gone.signal);
  } else {
    const feeds = wants("stdin") && record.own?.console.stdin === true;
    const fed = feeds ? attachment.feed(client, gone.signal) : undefined;
    // A failure to feed ends the input alone: the output has its own end.
    fed?.catch((error: unknown) => engine.parts.log("input to a container ended", { id: record.id, error: String(error) }));
    if (fed === undefined) client.resume();
    await passOutput(attachment, client, record.own?.terminal === true ? undefined : streams, gone.signal);
  }
  if (client.destroyed) return;
  await new Promise<void>((resolve) => {
    finished(client, { readable: false }, () => resolve());
    client.end();
  });
}

/** With a terminal (`streams` is `undefined`) there is one stream, and it has no frames. */
async function passOutput(
  attachment: Attachment,
  client: Duplex,
  streams: ReadonlySet<Stream> | undefined,
  gone: AbortSignal,
): Promise<void> {
  for await (const { stream, bytes } of attachment.output(gone)) {
    if (client.destroyed) return;
    if (streams === undefined) await writeTo(client, Buffer.from(bytes));
    else if (streams.has(stream)) await writeTo(client, frame(stream, bytes));
  }
}

/** An application's container must never be held up by who looks at it, so its log is followed: who lags far behind misses some. */
async function followOutput(
  engine: ContainerEngine,
  instance: Instance,
  client: Duplex,
  streams: ReadonlySet<Stream>,
  gone: AbortSignal,
): Promise<void> {
  const selection = { followUntil: instance.exited, ...(instance.status === "created" ? {} : { tail: 0 }) };
  for await (const { stream, whole, text } of readLog(engine.parts.logs.file(instance.record.id), selection, gone)) {
    if (client.destroyed) return;
    if (streams.has(stream)) await writeTo(client, frame(stream, whole ? Buffer.concat([text, Buffer.from("\n")]) : text));
  }
}

function directoryOf(engine: ContainerEngine, id: string): string {
  return join(engine.parts.host.directory, id);
}
