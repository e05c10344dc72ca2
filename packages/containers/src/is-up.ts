import { sleep } from "./wait.js";

/** How long an engine may be away, in milliseconds: what it takes to start again, many times over. */
const ENGINE_AWAY_MS = 30_000;
const ENGINE_RETRY_MS = 100;

/** Asks the engine whether the process runs, after everything asked of it before. One that is away is waited for: it comes back by itself. */
export async function isUp(container: NonNullable<DurableObjectState["container"]>): Promise<boolean> {
  const deadline = Date.now() + ENGINE_AWAY_MS;
  for (;;) {
    try {
      return (await container.inspect()) !== null;
    } catch (error) {
      if (Date.now() < deadline) {
        await sleep(ENGINE_RETRY_MS);
        continue;
      }
      console.warn("The container's state cannot be read:", error);
      return false;
    }
  }
}
