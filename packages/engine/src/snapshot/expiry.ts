import type { ContainerEngine } from "../engine.js";

/** Snapshots last this long unless the settings say otherwise. */
export const SNAPSHOT_TTL_MS = 30 * 24 * 60 * 60_000;
const LOOK_EVERY_MS = 60 * 60_000;

/** Removes snapshots that are past their time and in nobody's use, now and every hour. Disposing ends it. */
export function expireSnapshots(engine: ContainerEngine, ttlMs: number): Disposable {
  const { snapshots, log } = engine.parts;
  const look = () => {
    const records = [...engine.containers.byId.values()].map(({ record }) => record);
    snapshots.expire(ttlMs, records).then(
      (gone) => {
        if (gone.length > 0) log("snapshots have expired", { snapshots: gone });
      },
      (error: unknown) => log("expired snapshots could not be removed", { error: String(error) }),
    );
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
