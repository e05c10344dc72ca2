import { LongshoreError } from "@longshore/contract";
import type { Instance } from "../instance/instance.js";
import { type LogSelection, readLog } from "../log/read.js";
import { frame } from "./frames.js";
import type { Exchange, Route } from "./router.js";
import { writeTo } from "./write.js";

/** `GET /containers/<name>/logs` as Docker clients read it: framed by stream, followed live. */
export function logRoutes(logFile: (instance: Instance) => string, find: (name: string) => Instance): Route[] {
  return [
    {
      method: "GET",
      path: /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/logs$/,
      handle: async (exchange) => {
        const instance = find(exchange.parameters[0] ?? "");
        await sendLog(exchange, logFile(instance), instance);
        return { status: 200 };
      },
    },
  ];
}

async function sendLog({ query, response }: Exchange, file: string, instance: Instance): Promise<void> {
  const wanted = new Set((["stdout", "stderr"] as const).filter((stream) => flag(query, stream)));
  if (wanted.size === 0) throw new LongshoreError("INVALID_INPUT", "Say which output is wanted: stdout=1, stderr=1, or both.");
  const selection = selectionOf(query, instance);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  // A terminal has one stream, which clients expect as it is.
  const raw = instance.record.own?.terminal === true;
  response.writeHead(200, { "content-type": `application/vnd.docker.${raw ? "raw" : "multiplexed"}-stream` });
  response.flushHeaders();
  for await (const { at, stream, whole, text } of readLog(file, selection, gone.signal)) {
    if (!wanted.has(stream)) continue;
    const parts = [...(flag(query, "timestamps") ? [Buffer.from(`${at} `)] : []), text, ...(whole ? [Buffer.from("\n")] : [])];
    if (response.destroyed) return;
    await writeTo(response, raw ? Buffer.concat(parts) : frame(stream, Buffer.concat(parts)));
  }
  response.end();
}

function selectionOf(query: URLSearchParams, instance: Instance): LogSelection {
  const tail = query.get("tail") ?? "all";
  const since = time(query, "since");
  const until = time(query, "until");
  return {
    ...(/^\d+$/.test(tail) ? { tail: Number(tail) } : {}),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(flag(query, "follow") ? { followUntil: instance.exited } : {}),
  };
}

function flag(query: URLSearchParams, name: string): boolean {
  return ["1", "true", "True", "TRUE"].includes(query.get(name) ?? "");
}

/** Docker sends seconds since 1970 with a fraction; 0 and nothing mean no bound. Returns ms. */
function time(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name) ?? "";
  if (value === "" || Number(value) === 0) return undefined;
  const parsed = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value);
  if (Number.isFinite(parsed)) return parsed;
  throw new LongshoreError("INVALID_INPUT", `"${value}" is not a time.`, { hint: "Use seconds since 1970, or 2026-01-31T12:00:00Z." });
}
