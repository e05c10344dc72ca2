import type { Engine, TrafficGate } from "@longshore/contract";
import { LongshoreError } from "@longshore/contract";
import { log } from "./log.js";

/** Short requests under way end also where what is long gets no time at all. */
const LEAST_DRAIN_MS = 100;

export interface ReplacementGuard {
  /** Set once the edge exists; it needs the worker host, which needs this guard. */
  traffic: TrafficGate | undefined;
  /** Holds the requests of the script and of the Workers that call it, and keeps its containers from being ended by the farewell of the old workerd. */
  enter(script: string, callers: readonly string[]): Promise<AsyncDisposable>;
  /** Leaves the ending of the scripts' containers to the engine: for the end of the whole installation. */
  leave(scripts: readonly string[]): Promise<void>;
}

/**
 * What must be held still while the process of a script is replaced: its traffic, and its hand on the engine. Streams, uploads and WebSockets get
 * `drainMs` to end, then they are cut.
 */
export function replacementGuard(engine: Engine, drainMs: number): ReplacementGuard {
  const guard: ReplacementGuard = {
    traffic: undefined,
    async leave(scripts) {
      await Promise.all(scripts.map((script) => setGate(engine, script, true)));
    },
    async enter(script, callers) {
      const began = performance.now();
      const hold = await guard.traffic?.hold([script, ...callers], Math.max(drainMs, LEAST_DRAIN_MS));
      const held = performance.now();
      await setGate(engine, script, true);
      // Not those of its callers: their processes stay.
      hold?.cut(script);
      return {
        async [Symbol.asyncDispose]() {
          await setGate(engine, script, false);
          await hold?.[Symbol.asyncDispose]();
          // What a deploy costs those who send requests, for whoever wonders.
          log.info("a Worker's process was replaced", {
            script,
            waitedMs: Math.round(held - began),
            heldMs: Math.round(performance.now() - held),
          });
        },
      };
    },
  };
  return guard;
}

/** A script without containers has no tenant, and so no gate. */
async function setGate(engine: Engine, script: string, shut: boolean): Promise<void> {
  try {
    await engine.setGate(script, shut);
  } catch (error) {
    if (!(error instanceof LongshoreError) || error.code !== "NOT_FOUND")
      log.error("the engine's gate did not move", { script, shut, error: String(error) });
  }
}
