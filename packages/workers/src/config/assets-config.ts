import type { WorkerTarget } from "@longshore/contract";
import { type Expression, list, struct, text } from "./capnp.js";

/** The service that decides for each request whether a file or the Worker answers. */
export const ASSETS_SERVICE = "longshore:assets";
/** workerd's name for the part that only serves files. */
const FILES_ENTRYPOINT = "AssetWorker";

/** The service in front of a Worker that has static files; none without them. Errors: none; workerd itself checks the configuration's words. */
export function assetsService({ script, version }: WorkerTarget, directory: string | undefined): Expression[] {
  if (version.assets === undefined || directory === undefined) return [];
  const flags = version.compatibilityFlags;
  // With a Worker behind it, the service takes the compatibility date and flags from there.
  const alone = version.modules.length === 0;
  const assets = struct({
    path: text(directory),
    config: text(JSON.stringify(version.assets.config)),
    userWorker: alone ? undefined : text(script),
    compatibilityDate: alone ? text(version.compatibilityDate) : undefined,
    compatibilityFlags: alone && flags.length > 0 ? list(flags.map(text)) : undefined,
  });
  return [struct({ name: text(ASSETS_SERVICE), assets })];
}

/** What `env.ASSETS` is. */
export function assetsBinding(name: string): Expression {
  return struct({ name: text(name), service: struct({ name: text(ASSETS_SERVICE), entrypoint: text(FILES_ENTRYPOINT) }) });
}
