import type { ContainerClass } from "@longshore/contract";
import type { ImageConfig } from "../image/types.js";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface EnvironmentInput {
  readonly image: ImageConfig;
  readonly home: string;
  readonly hostname: string;
  /** `NAME=value`, as the Docker API carries it: the user's variables, then workerd's own placeholders for the platform's. */
  readonly requested: readonly string[];
  readonly containerClass: ContainerClass;
  readonly instanceId: string;
  readonly durableObjectId: string;
}

/**
 * What a container's process finds in its environment. Later ones win: the image's, the user's, the platform's. So the platform's
 * (spec 13, environment variables) are always true, whatever the image or a placeholder says.
 */
export function instanceEnvironment(input: EnvironmentInput): Record<string, string> {
  const { containerClass } = input;
  return {
    PATH: DEFAULT_PATH,
    HOME: input.home,
    HOSTNAME: input.hostname,
    ...parsePairs(input.image.env),
    ...parsePairs(input.requested),
    ...containerClass.environment,
    CLOUDFLARE_APPLICATION_ID: containerClass.applicationId,
    CLOUDFLARE_DEPLOYMENT_ID: input.instanceId,
    CLOUDFLARE_DURABLE_OBJECT_ID: input.durableObjectId,
  };
}

/** The environment of a container that no application has: the image's variables and what was asked for. */
export function ownEnvironment(
  { home, hostname, image, requested }: Pick<EnvironmentInput, "home" | "hostname" | "image" | "requested">,
  terminal: boolean,
): Record<string, string> {
  const base = { PATH: DEFAULT_PATH, HOME: home, HOSTNAME: hostname, ...(terminal ? { TERM: "xterm" } : {}) };
  return { ...base, ...parsePairs(image.env), ...parsePairs(requested) };
}

/** The command line: what the Worker asks for replaces the image's ENTRYPOINT and CMD alike (spec 02, `entrypoint`). */
export function instanceCommand(image: ImageConfig, requested: readonly string[]): string[] {
  return requested.length > 0 ? [...requested] : [...image.entrypoint, ...image.command];
}

function parsePairs(pairs: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals > 0) result[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return result;
}
