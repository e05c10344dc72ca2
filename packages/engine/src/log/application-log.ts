import { type LogLine, type LogQuery, LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../engine.js";
import type { Instance } from "../instance/instance.js";
import { type LogSelection, readLog } from "./read.js";

/** One instance's log, whether it runs or is gone. */
interface Source {
  readonly id: string;
  readonly applicationId: string;
  readonly durableObjectId: string;
  readonly file: string;
}

/**
 * The output of all instances of an application in order of time, those that are gone first of all. Followed, what is written from now on comes as
 * it is written, from instances that start later too. Errors: `NOT_FOUND` when nothing has that name.
 */
export function applicationLog(engine: ContainerEngine, query: LogQuery, signal?: AbortSignal): AsyncGenerator<LogLine> {
  const wanted = matcher(engine, query);
  const known = [...engine.tenants.keys()].includes(query.application) || classesNamed(engine, query.application).length > 0;
  if (!known && !engine.parts.logs.ended.instances().some(wanted)) {
    throw new LongshoreError("NOT_FOUND", `There is no application "${query.application}".`, {
      hint: "Name it by its Worker, or by its container application's name or id.",
    });
  }
  return lines(engine, query, wanted, signal);
}

async function* lines(engine: ContainerEngine, query: LogQuery, wanted: Matcher, signal?: AbortSignal): AsyncGenerator<LogLine> {
  const live = [...engine.containers.byId.values()].filter(({ record }) => wanted(record));
  const ended = engine.parts.logs.ended.instances().filter(wanted);
  const sources = [
    ...ended.map((instance) => ({ ...instance, file: engine.parts.logs.ended.file(instance.id) })),
    ...live.map((one) => sourceOf(engine, one)),
  ];
  const selection: LogSelection = {
    ...(query.tail === undefined ? {} : { tail: query.tail }),
    ...(query.since === undefined ? {} : { since: query.since }),
  };
  if (query.follow !== true) {
    yield* lastOf(merged(sources.map((source) => linesOf(source, selection))), query.tail);
    return;
  }
  const started = Date.now();
  yield* lastOf(merged(sources.map((source) => linesOf(source, { ...selection, until: started }))), query.tail);
  yield* followed(engine, live, wanted, started + 1, signal);
}

/** Lines of several logs as they arrive. */
async function* followed(
  engine: ContainerEngine,
  live: readonly Instance[],
  wanted: Matcher,
  since: number,
  signal?: AbortSignal,
): AsyncGenerator<LogLine> {
  const queue: LogLine[] = [];
  let wake: () => void = () => undefined;
  let room: () => void = () => undefined;
  const follow = async (instance: Instance) => {
    for await (const line of linesOf(sourceOf(engine, instance), { since, followUntil: instance.exited }, signal)) {
      queue.push(line);
      wake();
      // A reader that is slower than the containers gets all of it, later; memory is bounded.
      while (queue.length > QUEUE_LINES && signal?.aborted !== true) await new Promise<void>((resolve) => (room = resolve));
    }
  };
  const begin = (instance: Instance) => {
    if (!wanted(instance.record)) return;
    follow(instance).catch((error: unknown) =>
      engine.parts.log("following a log failed", { instance: instance.record.id, error: String(error) }),
    );
  };
  const abort = () => {
    wake();
    room();
  };
  signal?.addEventListener("abort", abort);
  engine.containers.adopted.add(begin);
  try {
    for (const instance of live) begin(instance);
    while (signal?.aborted !== true) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
      if (queue.length <= QUEUE_LINES) room();
    }
  } finally {
    engine.containers.adopted.delete(begin);
    signal?.removeEventListener("abort", abort);
  }
}

const QUEUE_LINES = 1000;

async function* linesOf(source: Source, selection: LogSelection, signal?: AbortSignal): AsyncGenerator<LogLine> {
  let pending: Buffer[] = [];
  for await (const { at, stream, whole, text } of readLog(source.file, selection, signal)) {
    pending.push(text);
    if (!whole && pending.length < MAX_PIECES) continue;
    const { id, durableObjectId, applicationId } = source;
    yield { instance: id, durableObjectId, applicationId, at, stream, text: Buffer.concat(pending).toString("utf8") };
    pending = [];
  }
}

/** Pieces have 8 KiB: a line longer than this comes as several. */
const MAX_PIECES = 32;

/** Merges logs that are each in order of time. */
async function* merged(logs: AsyncGenerator<LogLine>[]): AsyncGenerator<LogLine> {
  const heads = new Map<AsyncGenerator<LogLine>, LogLine>();
  const advance = async (log: AsyncGenerator<LogLine>) => {
    const { value, done } = await log.next();
    if (done === true) heads.delete(log);
    else heads.set(log, value);
  };
  await Promise.all(logs.map(advance));
  while (heads.size > 0) {
    const [log, line] = [...heads].reduce((first, candidate) => (candidate[1].at < first[1].at ? candidate : first));
    yield line;
    await advance(log);
  }
}

async function* lastOf(lines: AsyncIterable<LogLine>, count: number | undefined): AsyncGenerator<LogLine> {
  if (count === undefined) {
    yield* lines;
    return;
  }
  const last: LogLine[] = [];
  for await (const line of lines) {
    last.push(line);
    if (last.length > count) last.shift();
  }
  yield* last;
}

function sourceOf(engine: ContainerEngine, { record }: Instance): Source {
  return {
    id: record.id,
    applicationId: record.applicationId,
    durableObjectId: record.durableObjectId,
    file: engine.parts.logs.file(record.id),
  };
}

type Matcher = (record: { readonly id: string; readonly tenant: string; readonly applicationId: string }) => boolean;

function matcher(engine: ContainerEngine, { application, instance = "" }: LogQuery): Matcher {
  const ids = new Set([application, ...classesNamed(engine, application).map(({ applicationId }) => applicationId)]);
  return ({ id, tenant, applicationId }) => (tenant === application || ids.has(applicationId)) && id.startsWith(instance);
}

function classesNamed(engine: ContainerEngine, name: string) {
  const classes = [...engine.tenants.values()].flatMap((tenant) => tenant.config.classes);
  return classes.filter(({ applicationName, applicationId }) => applicationName === name || applicationId === name);
}
