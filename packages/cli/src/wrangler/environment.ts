import { join } from "node:path";
import { type BuildSettings, buildSettings, dockerCommandPath } from "@longshore/build";
import { engineAccess, type Presence } from "@longshore/server";

/** The variables that make wrangler talk to an installation, and to nothing else (reference/wrangler-api.md 1.1). */
export function wranglerEnvironment(data: string, presence: Presence): Record<string, string> {
  return {
    CLOUDFLARE_API_BASE_URL: presence.apiUrl,
    CLOUDFLARE_API_TOKEN: presence.token,
    CLOUDFLARE_ACCOUNT_ID: presence.accountId,
    CLOUDFLARE_CONTAINER_REGISTRY: presence.registryHost,
    NODE_EXTRA_CA_CERTS: presence.certificateFile,
    ...developmentEnvironment(data, engineAccess(data).dockerSocket),
  };
}

/** The variables that make wrangler build with Longshore's command, and run `wrangler dev` on the engine behind the socket. */
export function developmentEnvironment(data: string, dockerSocket: string): Record<string, string> {
  return {
    WRANGLER_DOCKER_BIN: dockerCommandPath(),
    WRANGLER_DOCKER_HOST: `unix://${dockerSocket}`,
    LONGSHORE_BUILD_ROOT: join(data, "build"),
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    DO_NOT_TRACK: "1",
  };
}

/** Where an installation's builds keep their images. */
export function buildSettingsOf(data: string): BuildSettings {
  return { ...buildSettings(), root: join(data, "build") };
}
