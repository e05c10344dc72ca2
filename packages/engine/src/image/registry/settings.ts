/** What an operator says about one registry. */
export interface RegistrySettings {
  readonly username?: string;
  readonly password?: string;
  /** PEM certificates that are trusted for this registry besides the machine's own. */
  readonly ca?: string;
  /** Plain HTTP, or HTTPS with any certificate. */
  readonly insecure?: boolean;
  /** `host[:port]` that is asked first and has the same repositories; the registry itself is asked for what the mirror does not have. */
  readonly mirror?: string;
}

/** By host, as image names have it: `docker.io`, `ghcr.io`, `registry.example:5000`. */
export type Registries = Readonly<Record<string, RegistrySettings>>;
