import { z } from "zod";

/** What clients call the kinds of registries that they know; `default` is any other. */
export const REGISTRY_KINDS = ["DockerHub", "ECR", "GAR", "default"] as const;
export type RegistryKind = (typeof REGISTRY_KINDS)[number];

/** Where a registry's password (or AWS secret access key) is: in the Secrets Store, or sealed here. */
export type RegistryCredential = { readonly storeId: string; readonly secretName: string } | { readonly sealed: string };

/** Another registry than the installation's own, as it rests in the bucket. */
export interface ImageRegistry {
  /** `host` or `host:port`, as image names have it. */
  readonly domain: string;
  readonly kind: RegistryKind;
  readonly createdOn: string;
  /** User name or AWS access key id; with a credential always. */
  readonly user?: string;
  readonly credential?: RegistryCredential;
  /** Of an Amazon registry whose name does not say it. */
  readonly region?: string;
  readonly endpoint?: string;
  /** PEM certificates. */
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly mirror?: string;
}

/** What the engine needs to ask a registry; the names are the engine's. */
export interface RegistryAccess {
  readonly username?: string;
  readonly password?: string;
  readonly aws?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly region?: string; readonly endpoint?: string };
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly mirror?: string;
}

/** The user that Google's registries know by a service account's key, which clients send in base64. */
const GOOGLE_USER = "_json_key_base64";
const HUB_NAMES: ReadonlySet<string> = new Set(["index.docker.io", "registry-1.docker.io"]);

export const registryDomain = z.string().regex(/^(?=.{1,253}$)(?=.*[.:]|localhost$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?$/, {
  error: "must be a registry's host name, with its port if it has one",
});

/** The one name of a registry that has several. */
export function canonicalDomain(domain: string): string {
  const lower = domain.toLowerCase();
  return HUB_NAMES.has(lower) ? "docker.io" : lower;
}

/** Name of its object in the bucket. */
export function registryKey(domain: string): string {
  return canonicalDomain(domain);
}

/** What sealed passwords of a registry are sealed for: no Worker's name has a slash. */
export function sealedForRegistry(domain: string): string {
  return `image-registry/${domain}`;
}

/** `secret` is what its credential stands for. */
export function registryAccess(registry: ImageRegistry, secret: string | undefined): RegistryAccess {
  const { kind, user, region, endpoint, ca, insecure, mirror } = registry;
  const said = { region, endpoint };
  const how = { ca, insecure, mirror };
  return { ...credentials(), ...present(how) };

  function credentials(): RegistryAccess {
    if (user === undefined || secret === undefined) return {};
    if (kind === "ECR") return { aws: { accessKeyId: user, secretAccessKey: secret, ...present(said) } };
    return { username: kind === "GAR" ? GOOGLE_USER : user, password: secret };
  }
}

/** Without what is undefined. */
export function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** As the API shows it: never a password. */
export function registryView(registry: ImageRegistry): Record<string, unknown> {
  const { domain, kind, createdOn, user, credential, region, endpoint, ca, insecure, mirror } = registry;
  const reference =
    credential !== undefined && "storeId" in credential ? { store_id: credential.storeId, secret_name: credential.secretName } : undefined;
  return {
    domain,
    kind,
    ...present({ public_key: user, private_credential: reference, region, endpoint, insecure, mirror }),
    has_credentials: credential !== undefined,
    has_ca: ca !== undefined,
    created_at: createdOn,
  };
}
