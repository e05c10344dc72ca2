import type { Engine, KeyedMutex, WorkerHost } from "@longshore/contract";
import { scriptNotFound } from "../api/errors.js";
import type { Store } from "../state/store.js";
import type { Applications } from "./applications.js";
import type { Queues } from "./queues.js";

export interface RemovalParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly workers: WorkerHost;
  readonly applications: Applications;
  readonly queues: Queues;
  readonly locks: KeyedMutex;
}

/**
 * Deletes a Worker with all that belongs to it: its process, its objects' storage, its containers and their applications, its versions.
 * Errors: `NOT_FOUND`.
 */
export function removeScript(parts: RemovalParts, script: string): Promise<void> {
  return parts.locks.run(script, async () => {
    await parts.store.head(script);
    const marked = await parts.store.heads.update(script, (head) => ({ ...head, deleting: true }));
    if (marked === undefined) throw scriptNotFound(script);
    await finishRemoval(parts, script);
  });
}

/** The rest of a removal whose head is marked already; each step may have been done before. Callers hold the script's lock. */
export async function finishRemoval(parts: RemovalParts, script: string): Promise<void> {
  await parts.queues.forget(script);
  await parts.workers.remove(script, { deleteData: true });
  await parts.engine.deleteTenant(script);
  await parts.applications.forget(script);
  await parts.store.deleteScriptObjects(script);
  await parts.store.heads.delete(script);
}
