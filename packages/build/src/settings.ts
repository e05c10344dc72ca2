import { isAbsolute, resolve } from "node:path";

/** What the build command takes from outside. */
export interface BuildSettings {
  /** Directory with everything that builds keep: images, cache, credentials. Absolute. */
  readonly root: string;
  /** Unix socket of the engine's Docker API, if one was named. */
  readonly engineSocket: string | undefined;
  /** Unix socket of an engine that gets every image that is built, whatever its name; set by the engine that builds with this command. */
  readonly giveTo: string | undefined;
  /** The image that wrangler pulls to intercept outbound traffic with, if it was told another than its own. */
  readonly interceptor: string | undefined;
  /** The variables that buildah may see; nothing else of the caller's environment reaches a build. */
  readonly environment: Readonly<Record<string, string>>;
}

const DEFAULT_ROOT = "/var/lib/longshore/build";

/** Proxies and certificate authorities are the machine's business; everything else buildah is told by flags and by files of ours. */
const PASSED_ON = [
  "PATH",
  "LANG",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

/**
 * Reads the settings. `LONGSHORE_BUILD_ROOT` is the storage directory; the engine's socket is `LONGSHORE_ENGINE_SOCKET`, else a
 * `WRANGLER_DOCKER_HOST` or `DOCKER_HOST` that names a unix socket.
 */
export function buildSettings(environment: NodeJS.ProcessEnv = process.env): BuildSettings {
  const root = environment.LONGSHORE_BUILD_ROOT || DEFAULT_ROOT;
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) passed[name] = value;
  }
  return {
    root: isAbsolute(root) ? root : resolve(root),
    engineSocket: environment.LONGSHORE_ENGINE_SOCKET || socketOfHost(environment.WRANGLER_DOCKER_HOST || environment.DOCKER_HOST),
    giveTo: environment.LONGSHORE_GIVE_TO || undefined,
    interceptor: environment.MINIFLARE_CONTAINER_EGRESS_IMAGE || undefined,
    environment: passed,
  };
}

/** The path in `unix:///path`; `undefined` for any other kind of Docker host. */
export function socketOfHost(host: string | undefined): string | undefined {
  return host?.startsWith("unix://") ? host.slice("unix://".length) : undefined;
}
