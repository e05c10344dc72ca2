import { type Census, differences, summary } from "../census.js";
import { KillStage } from "../faults/kill-stage.js";
import type { ProcessMeasure } from "../faults/measure-process.js";
import { crash, cycle, inParallel, range } from "./cycles.js";

export interface SoakSize {
  /** Before the first count, so that what is made once and kept is there. */
  readonly warmUp: number;
  readonly cycles: number;
  readonly crashes: number;
  /** Containers at once. */
  readonly width: number;
}

export interface SoakReport {
  /** What is there that was not, or the other way round, a line each. */
  readonly differences: readonly string[];
  /** Counts by kind, before and after. */
  readonly before: Record<string, number>;
  readonly after: Record<string, number>;
  /** Growth of the engine's heap, in bytes for each container. */
  readonly heapPerContainer: number;
  readonly residentMib: readonly [number, number];
}

/** Starts and ends containers in an engine of its own, and counts everything before and after. When `signal` says so it ends, and leaves nothing. */
export async function soak(size: SoakSize, told: (done: number) => void = () => undefined, signal?: AbortSignal): Promise<SoakReport> {
  const stage = await KillStage.begin(size.width);
  try {
    const report = await soakIn(stage, size, told, signal);
    await stage[Symbol.asyncDispose]();
    return report;
  } catch (error) {
    await stage.abandon();
    throw error;
  }
}

async function soakIn(
  stage: KillStage,
  { warmUp, cycles, crashes, width }: SoakSize,
  told: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<SoakReport> {
  let done = 0;
  const counted = (work: typeof cycle) => async (n: number) => {
    await work(stage, n);
    told(++done);
  };
  await inParallel(range(1, warmUp), width, counted(cycle), signal);
  await inParallel(range(warmUp + 1, warmUp), width, counted(crash), signal);
  const before = await count(stage);
  await inParallel(range(2 * warmUp + 1, cycles), width, counted(cycle), signal);
  await inParallel(range(2 * warmUp + cycles + 1, crashes), width, counted(crash), signal);
  const after = await countUntil(stage, (now) => leftOver(before, now, width).length === 0);
  return {
    differences: leftOver(before, after, width),
    before: { ...summary(before.census), ...ofProcess(before.engine) },
    after: { ...summary(after.census), ...ofProcess(after.engine) },
    heapPerContainer: Math.round((after.engine.heapBytes - before.engine.heapBytes) / (cycles + crashes)),
    residentMib: [mib(before.engine.residentBytes), mib(after.engine.residentBytes)],
  };
}

/**
 * The engine keeps an open file for each range of user ids that a sandbox has ever had, for the next one: as many as there ever were sandboxes at once,
 * those that run, those that wait and those that are being removed.
 */
const RANGES = "engine's open user";
const MOST_RANGES = 4;
/** Some come and go with what else the engine does at the moment. */
const TIMERS = "engine's timers";
const FEW = 10;

/** What the engine has made must be the same; of its own it may have less, since connections that nobody uses are closed after a while. */
function leftOver(before: Count, after: Count, width: number): string[] {
  const [own, ownBefore] = [ofProcess(after.engine), ofProcess(before.engine)];
  const most = (name: string) => (name === RANGES ? MOST_RANGES * width : (ownBefore[name] ?? 0) + (name === TIMERS ? FEW : 0));
  const grown = Object.entries(own).filter(([name, number]) => number > most(name));
  return [...differences(before.census, after.census), ...grown.map(([name, number]) => `${name}: ${ownBefore[name] ?? 0} → ${number}`)];
}

interface Count {
  readonly census: Census;
  readonly engine: ProcessMeasure;
}

const COUNT_DEADLINE_MS = 20_000;
const LOOK_MS = 500;

async function count(stage: KillStage): Promise<Count> {
  await stage.settle();
  return { engine: await stage.measure(), census: stage.census() };
}

/** Counts until `enough`; the last count if it never is. */
async function countUntil(stage: KillStage, enough: (now: Count) => boolean): Promise<Count> {
  for (const deadline = Date.now() + COUNT_DEADLINE_MS; ; ) {
    const now = await count(stage);
    if (enough(now) || Date.now() > deadline) return now;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function ofProcess({ fds, inotifyWatches, timers }: ProcessMeasure): Record<string, number> {
  const files = Object.fromEntries(Object.entries(fds).map(([kind, number]) => [`engine's open ${kind}`, number]));
  return { ...files, "engine's inotify watches": inotifyWatches, [TIMERS]: timers };
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
