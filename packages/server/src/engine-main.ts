import { createHmac } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { DirectoryBucketReader } from "@longshore/bucket";
import { buildSettings, dockerCommandPath } from "@longshore/build";
import { LongshoreError } from "@longshore/contract";
import { registryAccessIn } from "@longshore/control";
import { BucketImageSource, imagesFrom, openEngine, RegistryImageSource } from "@longshore/engine";
import { log } from "./log.js";
import { runChild } from "./process/child.js";
import { openFilesLimit } from "./process/open-files.js";
import { r2Sockets, s3Host } from "./r2-places.js";
import { mergedRegistries, readRegistries } from "./registries.js";
import { accountLimits } from "./settings.js";

const DAY_MS = 24 * 60 * 60_000;
/** Sandboxes that wait for each container class in any case, unless the settings say how many. */
const POOL_DEPTH = 2;

runChild("engine", async ({ settings, identity, runDirectory }) => {
  const bucket = new DirectoryBucketReader(join(settings.data, "bucket"));
  const own = new BucketImageSource(bucket);
  const stored = registryAccessIn(bucket, Buffer.from(identity.secretsKey, "hex"));
  const others = await RegistryImageSource.open({
    directory: join(settings.data, "engine", "pulled"),
    registries: mergedRegistries(readRegistries(settings.registries), stored),
  });
  const open = await openEngine({
    dataDirectory: join(settings.data, "engine"),
    runDirectory,
    recordsKey: createHmac("sha256", Buffer.from(identity.secretsKey, "hex")).update("records of containers").digest(),
    images: imagesFrom(own, others),
    runtime: findProgram(settings.runtime),
    runtimes: Object.fromEntries(Object.entries(settings.runtimes).map(([application, name]) => [application, findProgram(name)])),
    nested: settings.nested,
    userNamespaces: settings.userNamespaces === "on",
    poolDepth: settings.pool ?? POOL_DEPTH,
    poolAhead: settings.pool === undefined,
    admissionMs: settings.startWait * 1_000,
    accountLimits: accountLimits(settings),
    snapshotTtlMs: settings.snapshotDays * DAY_MS,
    openFiles: openFilesLimit(),
    egress: {
      service: { host: s3Host(identity.accountId), socket: r2Sockets(runDirectory).s3 },
      allow: settings.allowOutbound,
      ...(settings.resolvers === undefined ? {} : { resolvers: settings.resolvers }),
    },
    socketOwner: { uid: settings.uid, gid: settings.uid },
    builder: {
      command: [process.execPath, dockerCommandPath()],
      environment: { ...buildSettings().environment, LONGSHORE_BUILD_ROOT: join(settings.data, "build") },
    },
    log: log.info,
  });
  return { facts: {}, stop: () => open.shutdown() };
});

/** The absolute path of a program. Errors: `UNAVAILABLE`. */
function findProgram(name: string): string {
  const candidates = name.includes("/")
    ? [name]
    : ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map((directory) => join(directory, name));
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found !== undefined) return found;
  throw new LongshoreError("UNAVAILABLE", `The OCI runtime "${name}" is not on this machine.`, {
    hint: `Install the package crun, or name another with --runtime.`,
  });
}
