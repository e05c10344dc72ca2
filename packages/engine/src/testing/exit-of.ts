import { once } from "node:events";
import { ExitWatch } from "../instance/exit-watch.js";

/** The exit code that conmon reports for a sandbox; fails after two minutes: a fork bomb takes its time on a slow machine. */
export async function exitOf(exitsDirectory: string, id: string): Promise<number> {
  const ended = new EventTarget();
  let exitCode: number | undefined;
  using exits = new ExitWatch(exitsDirectory, (reported, code) => {
    if (reported !== id) return;
    exitCode = code;
    ended.dispatchEvent(new Event("ended"));
  });
  await exits.start();
  if (exitCode === undefined) await once(ended, "ended", { signal: AbortSignal.timeout(120_000) });
  if (exitCode === undefined) throw new Error(`${id} ended without an exit code`);
  return exitCode;
}
