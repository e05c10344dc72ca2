// The victim of `collector-crash.test.ts`: a registry on the directory in argv[2] that collects garbage all the time, until it is killed. Prints its port.
import { setTimeout as delay } from "node:timers/promises";
import { startRegistry } from "./fixture-registry.js";

/** Long enough for one push of the test, and not for many. */
const GRACE_MS = 1_500;

const on = await startRegistry({
  root: process.argv[2] ?? "",
  gracePeriodMs: GRACE_MS,
  inUse: async () => ({ deployed: new Set(), remembered: new Set() }),
});
console.log(on.port);
for (;;) {
  await on.registry.cleanUp();
  for (const event of on.events.splice(0)) if (event.level === "error") console.error(event.message, event.error);
  await delay(5);
}
