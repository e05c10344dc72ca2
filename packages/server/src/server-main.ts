import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DirectoryBucket } from "@longshore/bucket";
import { ApiTokens, type Control, createControl } from "@longshore/control";
import type { CertificatePair } from "@longshore/edge/certificates";
import { BucketImageSource, EngineClient, EngineDirectories } from "@longshore/engine";
import { createRegistry, listenTlsAndPlain, type RegistryOptions } from "@longshore/registry";
import { SshGateway } from "@longshore/ssh";
import { createWorkerHost } from "@longshore/workers";
import { authorizeWith } from "./access.js";
import { createApiServer } from "./api-server.js";
import { openEdgeFront } from "./edge-front.js";
import { EngineAbsence, untilEngineAnswers } from "./engine-absence.js";
import { imageCatalogue } from "./image-catalogue.js";
import type { InstallationIdentity } from "./installation/identity.js";
import { RegistryPasswords } from "./installation/registry-passwords.js";
import { knownLater } from "./known-later.js";
import { listenOn, namingFlag } from "./listen-on.js";
import { log } from "./log.js";
import { runChild } from "./process/child.js";
import type { Start } from "./process/messages.js";
import { openR2 } from "./r2.js";
import { r2Sockets } from "./r2-places.js";
import { replacementGuard } from "./replacement-guard.js";
import type { Settings } from "./settings.js";
import { controlSettings } from "./settings.js";

runChild("server", wire);

/** The composition root: the one place that knows all packages. Parts are made in the order in which they need each other. */
async function wire(start: Start) {
  const base = await wireBase(start);
  return await wireServer(base, start).catch(async (error: unknown) => {
    if (!start.again) await base.workers.close();
    throw error;
  });
}

/** What is there before anything listens. From now on there are Workers: those of an earlier server run already. */
async function wireBase({ settings, identity, runDirectory }: Start) {
  const bucket = await DirectoryBucket.open(join(settings.data, "bucket"));
  const directories = new EngineDirectories(join(settings.data, "engine"), runDirectory);
  const engine = new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant));
  const guard = replacementGuard(engine, settings.drain * 1_000);
  const { accountId } = identity;
  const secretsKey = Buffer.from(identity.secretsKey, "hex");
  const tokens = new ApiTokens({ bucket, accountId, secretsKey, ownerToken: identity.token });
  const sockets = r2Sockets(runDirectory);
  const r2 = await openR2({ bucket, tokens, accountId, domain: settings.domain, sockets });
  // Workers that run already may ask for secrets before there is who knows them.
  const later = knownLater<Control>();
  const workers = await createWorkerHost({
    dataDirectory: join(settings.data, "workers"),
    runDirectory: join(runDirectory, "w"),
    readModule: (key) => readWhole(bucket, key),
    beforeStop: (script, callers) => guard.enter(script, callers),
    readSecret: async (storeId, name) => (await later.value).readSecret(storeId, name),
    objectsSocket: sockets.bindings,
    workerdPath: join(settings.data, "bin/workerd"),
    log: (message) => log.info(message),
  });
  return { bucket, engine, guard, secretsKey, tokens, r2, later, workers };
}

async function wireServer(base: Awaited<ReturnType<typeof wireBase>>, { settings, identity, certificates = [], acmeCa }: Start) {
  const { bucket, engine, guard, secretsKey, tokens, r2, later, workers } = base;
  const { accountId } = identity;
  const front = await openEdgeFront({ settings, upstream: workers, certificates, acmeCa });
  const { edge } = front;
  guard.traffic = edge;
  const passwords = new RegistryPasswords(identity.registryKey);
  const stored = { bucket, authorize: authorizeWith(passwords, tokens), inUse: async () => (await later.value).images() };
  const { registry, registryListener } = await serveRegistry(settings, identity.tls, stored);
  const control = createControl({
    bucket,
    accountId,
    accountName: "Longshore",
    subdomain: "longshore",
    registryHost: `localhost:${registryListener.port}`,
    secretsKey,
    tokens,
    mintRegistryPassword: async ({ permissions, expirationMinutes, tokenId }) =>
      passwords.mint({ push: permissions.includes("push"), pull: permissions.includes("pull"), tokenId }, expirationMinutes * 60_000),
    images: imageCatalogue(new BucketImageSource(bucket)),
    engine,
    workers,
    keyValues: workers.keyValues,
    databases: workers.databases,
    objects: r2.storage,
    queues: workers.queues,
    traffic: edge,
    ...controlSettings(settings),
    publish: front.publish,
    shells: new SshGateway(),
    log,
    place: { country: settings.country, location: settings.location, region: settings.region },
  });
  later.set(control);
  const absence = new EngineAbsence(edge, () => control.scripts());
  const ending = new AbortController();
  const api = createApiServer(control, r2);
  const serve = async () => {
    await untilEngineAnswers(engine);
    await control.resume(ending.signal);
    await workers.retain((await control.scripts()).map(({ name }) => name));
    const apiPort = await listenOn(api, settings.listen, settings.apiPort, "API", "--api-port");
    return { apiPort, registryPort: registryListener.port, ...(await front.listen()) };
  };
  return {
    facts: await serve(),
    engineAway: (away: boolean) => absence.set(away),
    setCertificates: (changed: readonly CertificatePair[]) => front.setCertificates(changed),
    async stop() {
      ending.abort();
      await front[Symbol.asyncDispose]();
      api.close();
      api.closeAllConnections();
      await registryListener.close();
      await control[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      // workerd's farewell would kill the containers; the engine asks them to end first.
      await guard.leave((await control.scripts()).map(({ name }) => name));
      await workers.close();
      // Last, so that what Workers still do as they end has its data.
      await r2[Symbol.asyncDispose]();
    },
  };
}

async function serveRegistry(
  settings: Settings,
  tls: InstallationIdentity["tls"],
  parts: Pick<RegistryOptions, "bucket" | "authorize" | "inUse">,
) {
  const uploadsDirectory = join(settings.data, "uploads");
  await mkdir(uploadsDirectory, { recursive: true });
  const registry = createRegistry({
    ...parts,
    uploadsDirectory,
    accountLimitBytes: settings.imageStorageGb * 1e9,
    log: ({ level, message, error }) => log[level](message, error === undefined ? {} : { error: String(error) }),
  });
  const registryListener = await namingFlag(
    "--registry-port",
    listenTlsAndPlain({
      host: settings.listen,
      port: settings.registryPort,
      tls,
      handler: (request, response) => registry.handle(request, response),
    }),
  );
  return { registry, registryListener };
}

async function readWhole(bucket: DirectoryBucket, key: string): Promise<Buffer> {
  const object = await bucket.get(key);
  if (object === undefined) throw new Error(`The module or file ${key} is not in the bucket.`);
  return Buffer.concat(await object.body.toArray());
}
