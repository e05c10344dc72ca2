import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, TrafficGate } from "@longshore/contract";
import { log } from "./log.js";

/**
 * Holds every Worker's requests while the engine is away: a Worker that needs its container meanwhile would only have errors to answer with.
 * An engine that ended is back within a second; requests that wait longer than the edge allows are told so by the edge.
 */
export class EngineAbsence {
  readonly #traffic: TrafficGate;
  readonly #scripts: () => Promise<readonly { readonly name: string }[]>;
  #hold: Promise<AsyncDisposable> | undefined;

  constructor(traffic: TrafficGate, scripts: () => Promise<readonly { readonly name: string }[]>) {
    this.#traffic = traffic;
    this.#scripts = scripts;
  }

  set(away: boolean): void {
    if (away) {
      // Not drained: what is under way has lost its container's connections with the engine.
      if (this.#hold !== undefined) return;
      this.#hold = this.#holdAll();
      // That it failed is told when the engine is back.
      this.#hold.catch(() => undefined);
      return;
    }
    const hold = this.#hold;
    this.#hold = undefined;
    if (hold !== undefined) void release(hold);
  }

  async #holdAll(): Promise<AsyncDisposable> {
    log.warn("the engine is away; requests are held");
    const scripts = (await this.#scripts()).map(({ name }) => name);
    return await this.#traffic.hold(scripts, 0);
  }
}

async function release(hold: Promise<AsyncDisposable>): Promise<void> {
  try {
    await (await hold)[Symbol.asyncDispose]();
    log.info("the engine is back");
  } catch (error) {
    log.error("requests could not be held while the engine was away", { error: String(error) });
  }
}

const ENGINE_DEADLINE_MS = 30_000;
const ENGINE_RETRY_MS = 50;

/** Resolves when the engine answers: it may have been killed together with the server. Errors: the engine's, after a deadline. */
export async function untilEngineAnswers(engine: Engine): Promise<void> {
  const deadline = Date.now() + ENGINE_DEADLINE_MS;
  for (;;) {
    try {
      await engine.instances();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(ENGINE_RETRY_MS);
    }
  }
}
