import type { ScriptHead } from "../model/script-head.js";
import { finishRemoval } from "./removal.js";
import type { Services } from "./services.js";

/** How many scripts are brought up at the same time: each starts a process. */
const AT_ONCE = 4;

/**
 * Brings what the bucket says back to life after a start of the server: tenants, Workers, half-done removals, rollouts. A script that does
 * not come up is logged, and does not keep the others from it. Resolves early when `signal` aborts.
 */
export async function resume(services: Services, signal: AbortSignal): Promise<void> {
  await services.addresses.publish();
  await services.queues.resume().catch((error: unknown) => services.options.log.error("queues cannot be delivered", { error }));
  const queue = await services.store.heads.all();
  const worker = async (): Promise<void> => {
    for (let head = queue.shift(); head !== undefined && !signal.aborted; head = queue.shift()) {
      await resumeScript(services, head);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (signal.aborted) return;
  for (const application of await services.store.applications.all()) services.runner.kick(application.id);
}

async function resumeScript(services: Services, head: ScriptHead): Promise<void> {
  const { store, tenants, releases, applications, removal, options } = services;
  const script = head.name;
  try {
    await removal.locks.run(script, async () => {
      const stored = await store.heads.get(script);
      if (stored === undefined) return;
      if (stored.value.deleting) {
        await finishRemoval(removal, script);
        return;
      }
      const version = await store.activeVersion(stored.value);
      const own = (await store.applications.all()).filter((each) => each.script === script);
      if (version.containers.length > 0 || own.length > 0) {
        await applications.discardOrphans(stored.value);
        await tenants.sync(script);
        // Left over when the server went away while an application was deleted.
        await applications.stopInstances(script, (instance) => own.every((each) => each.id !== instance.applicationId));
      }
      await options.workers.apply(releases.target(stored.value, version));
    });
  } catch (error) {
    options.log.error("a Worker could not be brought up again", { script, error });
  }
}
