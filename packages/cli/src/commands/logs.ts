import { type LogLine, type LogQuery, LongshoreError } from "@longshore/contract";
import { dataDirectory, engineAccess, readPresence } from "@longshore/server";
import { type Command, text } from "../command.js";
import { momentOf } from "../moments.js";

const DEFAULT_TAIL = 100;
/** Enough of an id to tell instances apart. */
const SHORT_ID = 8;

export const logsCommand: Command = {
  name: "logs",
  summary: "show what containers wrote: logs <application>",
  help: `Usage: longshore logs <application> [--follow] [--tail <n>|all] [--since <time>] [--instance <id>] [--data <dir>] [--json]

Shows the standard output and standard error of an application's containers in order of time, those that are gone included. An application is named
by its Worker, or by its container application's name or id. Without --tail: the last ${DEFAULT_TAIL} lines, or all since --since.

  -f, --follow      go on with what is written from now on, until Ctrl-C
  -n, --tail        the last so many lines, or all
      --since       30s, 15m, 2h, 1d, or a time such as 2026-01-31T12:00:00Z
      --instance    only this instance, by the beginning of its id
      --json        one JSON document per line

Examples:
  longshore logs hello --follow
  longshore logs hello --since 15m --json`,
  words: 1,
  options: {
    data: { type: "string" },
    json: { type: "boolean" },
    follow: { type: "boolean", short: "f" },
    tail: { type: "string", short: "n" },
    since: { type: "string" },
    instance: { type: "string" },
  },
  async run(values, [application], output) {
    if (application === undefined) throw new LongshoreError("INVALID_INPUT", "Say which application's logs: longshore logs <application>.");
    const said = text(values, "since");
    const since = said === undefined ? undefined : momentOf(said, "ago", Date.now());
    const tail = tailOf(text(values, "tail"), since);
    const instance = text(values, "instance");
    const query: LogQuery = {
      application,
      ...(tail === undefined ? {} : { tail }),
      ...(since === undefined ? {} : { since }),
      ...(instance === undefined ? {} : { instance }),
      follow: values.follow === true,
    };
    const data = dataDirectory(text(values, "data"));
    readPresence(data);
    const stop = new AbortController();
    process.once("SIGINT", () => stop.abort());
    // Whoever read them, as "head" does, has had enough.
    process.stdout.once("error", () => stop.abort());
    let lines = 0;
    for await (const line of engineAccess(data).logs.readLogs(query, stop.signal)) {
      lines++;
      output.print(values.json === true ? JSON.stringify(line) : shown(line));
    }
    if (lines === 0 && !query.follow) output.note(nothing(query));
    return 0;
  },
};

function nothing({ application, instance, since }: LogQuery): string {
  const who = instance === undefined ? `Containers of ${application}` : `Containers of ${application} whose id begins with "${instance}"`;
  return `${who} have written nothing${since === undefined ? "" : ` since ${new Date(since).toISOString()}`}.`;
}

function shown({ at, instance, stream, text: words }: LogLine): string {
  return `${at.slice(0, "2026-01-31T12:00:00.000".length)}Z ${instance.slice(0, SHORT_ID)} ${stream === "stderr" ? "!" : "|"} ${words}`;
}

function tailOf(value: string | undefined, since: number | undefined): number | undefined {
  if (value === "all") return undefined;
  if (value === undefined) return since === undefined ? DEFAULT_TAIL : undefined;
  if (/^\d+$/.test(value)) return Number(value);
  throw new LongshoreError("INVALID_INPUT", `"${value}" is not a number of lines.`, { hint: 'Write a number, or "all".' });
}
