import { ACCOUNT_LIMITS, KeyedMutex } from "@longshore/contract";
import type { Clock, ControlOptions, Place, RolloutSettings } from "../options.js";
import { Sealer } from "../state/sealing.js";
import { Store } from "../state/store.js";
import { Tokens } from "../state/tokens.js";
import { Addresses } from "./addresses.js";
import { Applications } from "./applications.js";
import { AssetUploads } from "./asset-uploads.js";
import { Background } from "./background.js";
import { DatabaseTransfers } from "./database-transfers.js";
import { ImageCheck } from "./image-check.js";
import { ImageRegistries } from "./image-registries.js";
import { Queues } from "./queues.js";
import { R2Buckets } from "./r2-buckets.js";
import { Releases } from "./releases.js";
import type { RemovalParts } from "./removal.js";
import { RolloutRunner } from "./rollout-runner.js";
import { Rollouts } from "./rollouts.js";
import { ScriptChanges } from "./script-changes.js";
import { SecretStores } from "./secret-stores.js";
import { Shells } from "./shells.js";
import { Stores } from "./stores.js";
import { Tails } from "./tails.js";
import { Tenants } from "./tenants.js";
import { Uploads } from "./uploads.js";
import { VersionImages } from "./version-images.js";

/** Everything that a route may use. */
export interface Services {
  readonly options: ControlOptions;
  readonly place: Place;
  readonly clock: Clock;
  readonly store: Store;
  readonly tenants: Tenants;
  readonly stores: Stores;
  readonly buckets: R2Buckets;
  readonly secretStores: SecretStores;
  readonly imageRegistries: ImageRegistries;
  readonly queues: Queues;
  readonly transfers: DatabaseTransfers;
  readonly releases: Releases;
  readonly assets: AssetUploads;
  readonly uploads: Uploads;
  readonly changes: ScriptChanges;
  readonly addresses: Addresses;
  readonly tails: Tails;
  readonly shells: Shells;
  readonly removal: RemovalParts;
  readonly applications: Applications;
  readonly rollouts: Rollouts;
  readonly runner: RolloutRunner;
  readonly imageCheck: ImageCheck;
}

const ROLLOUTS: RolloutSettings = { drainMs: 5_000, watchMs: 10_000, onCrash: "stop" };

/** ISO 3166 keeps XX free for "somewhere else": a machine does not know its country. */
const SOMEWHERE: Place = { country: "XX", location: "local", region: "LOCAL" };

/** Wires the control plane's parts. */
export function wireServices(options: ControlOptions): Services {
  const { engine, workers, traffic, publish, log, images } = options;
  const clock = options.clock ?? Date.now;
  const place = options.place ?? SOMEWHERE;
  const store = new Store(options.bucket);
  const sealer = new Sealer(options.secretsKey);
  const locks = new KeyedMutex();
  const background = new Background(log);
  const tenants = new Tenants(store, engine, place);
  const imageCheck = new ImageCheck({ images, engine, registryHost: options.registryHost, accountId: options.accountId });
  const { drainMs, watchMs, onCrash } = options.rollouts ?? ROLLOUTS;
  const runner = new RolloutRunner({ store, engine, traffic, tenants, locks, clock, log, drainMs, watchMs });
  const limits = options.accountLimits ?? ACCOUNT_LIMITS;
  const applications = new Applications({ store, engine, tenants, images: imageCheck, background, limits, locks, clock });
  const rollouts = new Rollouts({ store, engine, applications, tenants, images: imageCheck, runner, onCrash, locks, clock });
  const { keyValues, databases } = options;
  const stores = new Stores({ store, keyValues, databases, locks, clock });
  const secretStores = new SecretStores({ store, sealer, locks, clock });
  const buckets = new R2Buckets(options.objects);
  const imageRegistries = new ImageRegistries({ store, sealer, secretStores, registryHost: options.registryHost, locks, clock });
  const queues = new Queues({ store, messages: options.queues, locks, clock });
  const transfers = new DatabaseTransfers(options.bucket, clock);
  const versionImages = new VersionImages({ store, images: imageCheck, runner, onCrash, clock });
  const releases = new Releases({ versionImages, store, sealer, engine, workers, tenants, stores, buckets, secretStores, queues, log });
  const removal: RemovalParts = { store, queues, engine, workers, applications, locks };
  const assets = new AssetUploads(options.bucket, new Tokens(options.secretsKey, "static files", clock));
  const uploads = new Uploads({ ...removal, sealer, releases, assets, clock });
  const tails = new Tails({ store, releases, workers, apiTokens: options.tokens, locks, clock, log });
  const shells = new Shells({
    ...{ store, engine, server: options.shells, apiTokens: options.tokens },
    tokens: new Tokens(options.secretsKey, "shells", clock),
  });
  const changes = new ScriptChanges({ versionImages, store, queues, sealer, releases, locks, clock });
  const addresses = new Addresses({ store, changes, locks, publish, log });
  return {
    options,
    place,
    clock,
    store,
    tenants,
    stores,
    buckets,
    secretStores,
    imageRegistries,
    queues,
    transfers,
    releases,
    assets,
    uploads,
    changes,
    addresses,
    tails,
    shells,
    removal,
    applications,
    rollouts,
    runner,
    imageCheck,
  };
}
