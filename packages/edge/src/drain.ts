import { setTimeout as sleep } from "node:timers/promises";
import type { TrafficHold } from "@longshore/contract";
import type { Lane } from "./lane.js";

/** What is under way for longer is long: a stream, an upload. Nobody is held for it. */
const LONG_MS = 1000;
/** How long requests are held at the first try while short ones end; twice as long at each further try, up to {@link LONG_MS}. */
const FIRST_TRY_MS = 100;
/** At the last try: how long a stream may have been one at least, before it counts as one that is not about to end, and how often that is looked at. */
const STREAM_MS = 25;
/** Between two tries, so that requests are served more than they are held. */
const PAUSE_MS = 300;

/** See `TrafficGate.hold`: all lanes at the same moment, since a request of one may be waiting for another. */
export async function holdQuiet(lanes: readonly Lane[], drainMs: number): Promise<TrafficHold> {
  const deadline = performance.now() + drainMs;
  const left = () => Math.max(0, deadline - performance.now());
  if (drainMs === 0) return heldBy(lanes);
  for (let tryMs = FIRST_TRY_MS; ; tryMs = Math.min(2 * tryMs, LONG_MS)) {
    // Each lane in turn, until all are without long requests: the one that was looked at first may have got a new one meanwhile.
    while (left() > 0 && lanes.some(isLong)) for (const lane of lanes) await lane.settled(() => !isLong(lane), left());
    const last = left() === 0;
    const hold = heldBy(lanes);
    // At the last try streams are left to be cut, but whoever waits for an answer gets it.
    const quiet = (lane: Lane) => (last ? lane.hasOnlyStreams(STREAM_MS) : lane.isQuiet);
    const until = performance.now() + (last ? LONG_MS : tryMs);
    for (const lane of lanes) await lane.settled(() => quiet(lane), Math.max(0, until - performance.now()), last ? STREAM_MS : undefined);
    if (last || lanes.every(quiet)) return hold;
    await hold[Symbol.asyncDispose]();
    await sleep(Math.min(PAUSE_MS, left()));
  }
}

function isLong(lane: Lane): boolean {
  return lane.isBusyFor(LONG_MS);
}

function heldBy(lanes: readonly Lane[]): TrafficHold {
  const holds = lanes.map((lane) => lane.hold());
  return {
    cut: (script) => {
      for (const lane of lanes) if (lane.script === script) lane.cut();
    },
    [Symbol.asyncDispose]: async () => {
      for (const hold of holds) hold[Symbol.dispose]();
    },
  };
}
