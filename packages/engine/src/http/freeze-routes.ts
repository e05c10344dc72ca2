import type { ContainerEngine } from "../engine.js";
import type { Instance } from "../instance/instance.js";
import type { Route } from "./router.js";

/** Freezing and thawing as Docker clients ask for it. */
export function freezeRoutes(engine: ContainerEngine, path: (rest: string) => RegExp, find: (name?: string) => Instance): Route[] {
  return [
    {
      method: "POST",
      path: path("/pause"),
      handle: async ({ parameters: [name] }) => {
        await engine.freezeInstance(find(name).record.id, false);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: path("/unpause"),
      handle: ({ parameters: [name] }) => {
        find(name).wake();
        return { status: 204 };
      },
    },
  ];
}

/**
 * A Durable Object asks for sleep on one connection, and for its container's port on others, so a request may overtake the wish for sleep that was
 * made before it. Nobody asks for sleep so soon after a request but for that.
 */
const QUIET_MS = 500;

/**
 * `SIGSTOP` and `SIGCONT` are asked of the whole container: that is how a Durable Object puts its container to sleep with `ctx.container.signal()`.
 * Sleep is not granted while something comes in. Returns false for every other signal.
 */
export async function freezeBySignal(engine: ContainerEngine, instance: Instance, signal: NodeJS.Signals | number): Promise<boolean> {
  if (signal === "SIGCONT" || signal === 18) {
    instance.wake();
    return true;
  }
  if (signal !== "SIGSTOP" && signal !== 19) return false;
  if (instance.quietMs >= QUIET_MS) await engine.freezeInstance(instance.record.id, false);
  return true;
}
