/** An access key of Amazon's, or of a cloud that has its API. Passwords for the registry are made with it. */
export interface AwsKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a temporary key. */
  readonly sessionToken?: string;
  /** Where the registry's name does not say it. */
  readonly region?: string;
  /** The service that makes the passwords; `https://api.ecr.<region>.amazonaws.com/` unless it is given. */
  readonly endpoint?: string;
}

/** What an operator says about one registry. */
export interface RegistrySettings {
  readonly username?: string;
  readonly password?: string;
  /** In place of a username and a password. */
  readonly aws?: AwsKey;
  /** PEM certificates that are trusted for this registry besides the machine's own. */
  readonly ca?: string;
  /** Plain HTTP, or HTTPS with any certificate. */
  readonly insecure?: boolean;
  /** `host[:port]` that is asked first and has the same repositories; the registry itself is asked for what the mirror does not have. */
  readonly mirror?: string;
}

/** By host, as image names have it: `docker.io`, `ghcr.io`, `registry.example:5000`. */
export type Registries = Readonly<Record<string, RegistrySettings>>;

/** What is said about a registry at this moment: asked before each use. Errors: `UNAUTHORIZED`, passed on to who wants an image. */
export type RegistryLookup = (host: string) => Promise<RegistrySettings>;
