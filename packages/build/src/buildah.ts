import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "./build-root.js";
import { type Walls, walled } from "./walls.js";

export interface BuildahOptions {
  /** `capture`: both streams are returned. `live`: both go to our stderr as they come. `inherit`: buildah writes to our own streams. */
  readonly output: "capture" | "live" | "inherit";
  readonly stdin?: string | Buffer;
  /** For temporary files; needed by whatever moves layers. */
  readonly workDirectory?: string;
  /** Keeps it from the machine's files: for what strangers have written. */
  readonly walls?: Walls;
  /** Kills buildah and everything that it started. */
  readonly signal?: AbortSignal;
  /** With `live`: each chunk of output, as it comes. */
  readonly onOutput?: (chunk: string) => void;
}

export interface BuildahResult {
  /** 0 is success; 137 when it was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs in a mount and pid namespace of its own, so that whatever kills it leaves neither a mount nor a `RUN` process behind. Inside, two
 * fixed paths of buildah are ours: the machine's short-name aliases are hidden, and the blob cache lies in the build root.
 */
const INSIDE = `
[ ! -d /etc/containers/registries.conf.d ] || mount --bind "$1" /etc/containers/registries.conf.d || exit 125
mkdir -p /var/lib/containers/cache && mount --bind "$2" /var/lib/containers/cache || exit 125
shift 2
exec "$@"
`;

const ISOLATE = [
  "--pdeathsig",
  "KILL",
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
];

/**
 * Runs one buildah command on the build root. A failure of buildah is a result, not an error.
 * Errors: `UNAVAILABLE` when buildah is not installed, `FORBIDDEN` without root.
 */
export async function runBuildah(root: BuildRoot, args: readonly string[], options: BuildahOptions): Promise<BuildahResult> {
  requireBuildah(root.environment);
  const walls = options.walls === undefined ? [] : walled(root, options.walls);
  const inside = ["sh", "-c", INSIDE, "longshore-buildah", root.empty, root.blobCache, ...walls, "buildah"];
  const command = [...ISOLATE, ...inside, ...globalFlags(root), ...args];
  const child = spawn("setpriv", command, {
    env: childEnvironment(root, options.workDirectory),
    stdio: options.output === "inherit" ? [stdinOf(options), "inherit", "inherit"] : [stdinOf(options), "pipe", "pipe"],
  });
  const kill = () => child.kill("SIGKILL");
  options.signal?.addEventListener("abort", kill);
  if (options.signal?.aborted) kill();

  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      if (options.output === "capture") output[name] += chunk;
      else process.stderr.write(chunk);
      options.onOutput?.(chunk);
    });
  }
  // buildah may end before it has read its input; its exit code then says why.
  child.stdin?.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") kill();
  });
  child.stdin?.end(options.stdin);

  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exit) => resolve(exit ?? 137));
    });
    return { code, ...output };
  } finally {
    options.signal?.removeEventListener("abort", kill);
  }
}

/** {@link runBuildah} with captured output, where any failure is an error. Resolves to the standard output, trimmed. Errors: `INTERNAL`. */
export async function buildah(root: BuildRoot, args: readonly string[], doing: string, workDirectory?: string): Promise<string> {
  const result = await runBuildah(root, args, { output: "capture", ...(workDirectory === undefined ? {} : { workDirectory }) });
  if (result.code === 0) return result.stdout.trim();
  throw new LongshoreError("INTERNAL", `${doing} failed: ${lastLines(result.stderr, 5) || `buildah ended with code ${result.code}`}`);
}

/** The last lines of an output, joined by newlines. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** Errors: `UNAVAILABLE` when buildah is not on the path, `FORBIDDEN` without root. Starts nothing. */
export function requireBuildah(environment: Readonly<Record<string, string>>): void {
  if (process.getuid?.() !== 0) {
    throw new LongshoreError("FORBIDDEN", "Building images needs root: buildah mounts file systems.", { hint: "Run this as root." });
  }
  const path = environment.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin";
  for (const program of ["buildah", "crun", "unshare", "setpriv"]) {
    if (!path.split(delimiter).some((directory) => isExecutable(join(directory, program)))) {
      throw new LongshoreError("UNAVAILABLE", `The program "${program}" is not on the path (${path}).`, {
        hint: `Install it: apt-get install ${program === "buildah" || program === "crun" ? program : "util-linux"}.`,
      });
    }
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function stdinOf(options: BuildahOptions): "pipe" | "ignore" {
  return options.stdin === undefined ? "ignore" : "pipe";
}

function globalFlags(root: BuildRoot): string[] {
  return [
    ["--root", root.storage],
    ["--runroot", root.runState],
    ["--registries-conf", root.registriesConf],
    ["--short-name-alias-conf", join(root.runState, "short-name-aliases.conf")],
  ].flat();
}

function childEnvironment(root: BuildRoot, workDirectory: string | undefined): Record<string, string> {
  return {
    ...root.environment,
    HOME: root.empty,
    CONTAINERS_CONF: root.containersConf,
    CONTAINERS_STORAGE_CONF: root.storageConf,
    CONTAINERS_REGISTRIES_CONF: root.registriesConf,
    REGISTRY_AUTH_FILE: root.authFile,
    ...(workDirectory === undefined ? {} : { TMPDIR: workDirectory }),
  };
}
