import { text } from "node:stream/consumers";
import { type Bucket, type KeyedMutex, LongshoreError } from "@longshore/contract";
import { ContainersError } from "../api/errors.js";
import {
  canonicalDomain,
  type ImageRegistry,
  present,
  type RegistryAccess,
  type RegistryCredential,
  type RegistryKind,
  registryAccess,
  registryKey,
  sealedForRegistry,
} from "../model/image-registries.js";
import { type StoredSecret, sealedFor } from "../model/secret-stores.js";
import type { Clock } from "../options.js";
import { Sealer } from "../state/sealing.js";
import { REGISTRIES_PREFIX, type Store, storeSecretKey } from "../state/store.js";
import type { SecretStores } from "./secret-stores.js";

export interface ImageRegistriesParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly secretStores: SecretStores;
  readonly registryHost: string;
  readonly locks: KeyedMutex;
  readonly clock: Clock;
}

export interface RegistryChanges extends Pick<ImageRegistry, "user" | "region" | "endpoint" | "ca" | "insecure" | "mirror"> {
  readonly kind?: RegistryKind;
  /** A password, or where it is. */
  readonly secret?: string | { readonly storeId: string; readonly secretName: string };
}

/** No script's name has a space. */
const LOCK = "image registries";

/** Other registries than the installation's own: what is needed to pull from them. The engine reads it at each pull. */
export class ImageRegistries {
  readonly #parts: ImageRegistriesParts;

  constructor(parts: ImageRegistriesParts) {
    this.#parts = parts;
  }

  list(): Promise<ImageRegistry[]> {
    return this.#parts.store.imageRegistries.all();
  }

  /** Gives a registry its credentials. Errors: `IMAGE_REGISTRY_ALREADY_EXISTS` when it has some, and as {@link change}. */
  configure(domain: string, changes: RegistryChanges): Promise<ImageRegistry> {
    return this.change(domain, changes, (before) => {
      if (before === undefined || (before.credential === undefined && before.mirror !== undefined)) return;
      throw new ContainersError("IMAGE_REGISTRY_ALREADY_EXISTS", { domain: `the registry ${before.domain} is configured already.` });
    });
  }

  /**
   * Adds a registry, or changes what is said of one; what is left out stays. Errors: `IMAGE_REGISTRY_NOT_ALLOWED` for the installation's own,
   * `VALIDATE_INPUT` when its secret is not there.
   */
  change(asked: string, changes: RegistryChanges, check: (before: ImageRegistry | undefined) => void = () => undefined) {
    const domain = canonicalDomain(asked);
    const { store, locks, registryHost, clock } = this.#parts;
    if (domain === registryHost) {
      throw new ContainersError("IMAGE_REGISTRY_NOT_ALLOWED", { domain: `${domain} is this installation's own registry.` });
    }
    return locks.run(LOCK, async () => {
      const stored = await store.imageRegistries.get(registryKey(domain));
      const before = stored?.value;
      check(before);
      const { secret, kind, ...said } = changes;
      const credential = secret === undefined ? {} : { credential: await this.#credential(domain, secret) };
      const createdOn = before?.createdOn ?? new Date(clock()).toISOString();
      const named = { domain, kind: kind ?? before?.kind ?? "default", createdOn } as const;
      const registry: ImageRegistry = { ...before, ...present(said), ...named, ...credential };
      if (stored === undefined) await store.imageRegistries.create(registryKey(domain), registry);
      else await store.imageRegistries.replace(registryKey(domain), stored, registry);
      return registry;
    });
  }

  /** Errors: `IMAGE_REGISTRY_NOT_FOUND`. */
  remove(domain: string): Promise<ImageRegistry> {
    return this.#parts.locks.run(LOCK, async () => {
      const { imageRegistries } = this.#parts.store;
      const registry = (await imageRegistries.get(registryKey(domain)))?.value;
      if (registry === undefined)
        throw new ContainersError("IMAGE_REGISTRY_NOT_FOUND", { domain: `the registry ${domain} is not configured.` });
      await imageRegistries.delete(registryKey(domain));
      return registry;
    });
  }

  async #credential(domain: string, secret: NonNullable<RegistryChanges["secret"]>): Promise<RegistryCredential> {
    if (typeof secret === "string") return { sealed: this.#parts.sealer.seal(sealedForRegistry(domain), "password", secret) };
    if ((await this.#parts.secretStores.read(secret.storeId, secret.secretName, "containers")) !== undefined) return secret;
    throw new ContainersError(
      "VALIDATE_INPUT",
      { private_credential: `the store ${secret.storeId} has no secret "${secret.secretName}" in the scope of containers.` },
      { hint: "Create it, or give it that scope, and configure the registry again." },
    );
  }
}

/**
 * How to ask a registry, by its host: for the engine, which reads the same bucket. An empty object for one that nothing is said of.
 * Errors: `UNAUTHORIZED` when its password is gone from the Secrets Store.
 */
export function registryAccessIn(bucket: Pick<Bucket, "get">, secretsKey: Uint8Array): (host: string) => Promise<RegistryAccess> {
  const sealer = new Sealer(secretsKey);
  const read = async <T>(key: string): Promise<T | undefined> => {
    const object = await bucket.get(key);
    return object === undefined ? undefined : (JSON.parse(await text(object.body)) as T);
  };
  return async (host) => {
    const registry = await read<ImageRegistry>(REGISTRIES_PREFIX + registryKey(host));
    if (registry === undefined) return {};
    const { credential, domain } = registry;
    if (credential === undefined) return registryAccess(registry, undefined);
    if ("sealed" in credential) return registryAccess(registry, sealer.open(sealedForRegistry(domain), "password", credential.sealed));
    const { storeId, secretName } = credential;
    const secret = await read<StoredSecret>(storeSecretKey(storeId, secretName));
    if (secret?.scopes.includes("containers")) return registryAccess(registry, sealer.open(sealedFor(storeId), secretName, secret.sealed));
    throw new LongshoreError("UNAUTHORIZED", `The password of ${domain} is not in the Secrets Store any more (secret "${secretName}").`, {
      hint: `Create it again in the store ${storeId} with the scope containers, or remove the registry.`,
    });
  };
}
