import { arm, disarm } from "./steps.js";

/*
 * An engine in a process of its own, as the product runs it, that can be told to end itself at a step (steps.ts). Its argument is an
 * EngineProcessSettings as JSON; it says `{ ready: true }` to its parent and answers each message with one.
 */

export interface EngineProcessSettings {
  /** Everything is below it; a short path. */
  readonly directory: string;
  /** `host:port` of a registry that answers over plain HTTP. */
  readonly registry: string;
  readonly runtime: string;
  readonly poolDepth: number;
  /** Ends at this step of starting. */
  readonly killAt?: number;
}

export type Order =
  | { readonly order: "arm"; readonly at: number }
  | { readonly order: "disarm" }
  /** Resolves when the pool is full and nothing is left to clean up. */
  | { readonly order: "settle" }
  | { readonly order: "measure" }
  | { readonly order: "shutdown" };

const settings = JSON.parse(process.argv[2] ?? "{}") as EngineProcessSettings;
if (settings.killAt !== undefined) arm(settings.killAt);

// Only now: what they take from Node.js and koffi must be the replacements.
const { join } = await import("node:path");
const { openEngine } = await import("../../open.js");
const { RegistryImageSource } = await import("../../image/registry/source.js");
const { engineSettings } = await import("../running-engine.js");
const { measureProcess } = await import("./measure-process.js");

const images = await RegistryImageSource.open({
  directory: join(settings.directory, "pulled"),
  registries: { [settings.registry]: { insecure: true } },
});
const open = await openEngine({ ...engineSettings(settings.directory, images), runtime: settings.runtime, poolDepth: settings.poolDepth });
// The engine begins to fill its pool in its own time; whoever waits until it has settled must find it begun.
await open.engine.refreshPool();

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case "arm":
      arm(order.at);
      return true;
    case "disarm":
      return disarm();
    case "settle":
      await open.engine.settled();
      await open.engine.parts.images.settled();
      return true;
    case "measure":
      return measureProcess();
    case "shutdown":
      await open.shutdown();
      await images[Symbol.asyncDispose]();
      return true;
  }
}

process.on("message", (order: Order) => {
  obey(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// Without its parent it has no purpose.
process.on("disconnect", () => process.exit(1));
process.send?.({ result: settings.killAt === undefined ? true : disarm() });
