import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { resolveUser } from "../image/user.js";
import { readBeginInRoot } from "../sys/open-in-root.js";

/** What the Docker API's exec create asks for. */
export interface ExecRequest {
  readonly command: readonly string[];
  /** `NAME=value`, on top of the container's own environment. */
  readonly environment: readonly string[];
  /** As in a Dockerfile's USER; absent: the container's. */
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

const sandboxConfig = z.object({
  process: z.looseObject({
    cwd: z.string(),
    user: z.looseObject({ uid: z.number(), gid: z.number() }),
    capabilities: z.looseObject({ bounding: z.array(z.string()) }).optional(),
  }),
});

type SandboxProcess = z.infer<typeof sandboxConfig>["process"];

/** Everything about the process but its command line. */
export interface ExecProcess {
  readonly spec: Readonly<Record<string, unknown>> & { readonly user: { readonly uid: number } };
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The OCI process of an exec. Limits and rights are those that the sandbox was made with, so that an exec can never do more than the container:
 * they are read from the sandbox's own configuration. `root` is the running container's root as the engine reaches it.
 * Errors: `INVALID_INPUT` for a user that the container does not have.
 */
export function execProcess(
  sandboxDirectory: string,
  root: string,
  containerEnvironment: Readonly<Record<string, string>>,
  request: ExecRequest,
): ExecProcess {
  const base = sandboxConfig.parse(JSON.parse(readFileSync(join(sandboxDirectory, "config.json"), "utf8"))).process;
  const identity = request.user === undefined || request.user === "" ? undefined : identityOf(root, request.user);
  const user = identity === undefined ? base.user : { uid: identity.uid, gid: identity.gid, additionalGids: identity.groups };
  const environment = {
    ...containerEnvironment,
    ...(identity === undefined ? {} : { HOME: identity.home }),
    ...(request.terminal ? { TERM: "xterm" } : {}),
    ...pairs(request.environment),
  };
  const workingDirectory = request.workingDirectory || base.cwd;
  return {
    workingDirectory,
    environment,
    spec: {
      ...base,
      user,
      ...capabilities(base, user.uid),
      cwd: workingDirectory,
      env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      terminal: request.terminal,
    },
  };
}

function identityOf(root: string, user: string) {
  const file = (path: string) => readBeginInRoot(root, path).toString("utf8");
  return resolveUser(user, file("/etc/passwd"), file("/etc/group"));
}

/** Root has in hand what the container may have at most; nobody else has anything in hand. */
function capabilities({ capabilities: base }: SandboxProcess, uid: number) {
  if (base === undefined) return {};
  const inHand = uid === 0 ? base.bounding : [];
  return { capabilities: { ...base, permitted: inHand, effective: inHand, inheritable: [], ambient: [] } };
}

function pairs(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.filter((pair) => pair.indexOf("=") > 0).map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}
