import type { ExitRecord } from "@longshore/contract";
import type { EngineParts } from "../engine-parts.js";
import { noteInLog } from "../log/note.js";
import { LAST_LINES, tailLog } from "../log/tail.js";
import { exitReason, shortageText } from "./exit.js";
import type { Instance } from "./instance.js";

/** How an instance ended whose process ended with `code`: why, and with which last words. A shortage of memory is noted in its log. */
export async function exitRecord(
  instance: Instance,
  code: number,
  { host, logs }: Pick<EngineParts, "host" | "logs">,
): Promise<ExitRecord> {
  const { id, stopReason } = instance.record;
  const lastLines = await tailLog(logs.file(id), LAST_LINES);
  const memory = host.cgroups.memoryShortage(id);
  const reason = exitReason({ code, started: instance.hasRun(code), stopReason, memory });
  if (memory !== undefined) noteInLog(logs.file(id), shortageText(memory));
  return { code, reason, at: new Date().toISOString(), lastLines, ...(memory === undefined ? {} : { memory }) };
}
