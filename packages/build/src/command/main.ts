import { constants } from "node:os";
import { LongshoreError, toLongshoreError } from "@longshore/contract";
import { buildSettings, socketOfHost } from "../settings.js";
import { watchCaller } from "./caller.js";
import type { Verb, VerbContext } from "./verb.js";

/** Verbs are loaded when they are asked for: wrangler starts this program eight times in a deploy. */
const VERBS: Readonly<Record<string, () => Promise<Verb>>> = {
  build: async () => (await import("./build.js")).build,
  "context ls": async () => (await import("./info.js")).contextList,
  images: async () => (await import("./images.js")).images,
  info: async () => (await import("./info.js")).info,
  inspect: async () => (await import("./inspect.js")).inspect,
  login: async () => (await import("./login.js")).login,
  logout: async () => (await import("./login.js")).logout,
  "manifest inspect": async () => (await import("./manifest.js")).manifestInspect,
  ps: async () => (await import("./containers.js")).list,
  pull: async () => (await import("./pull.js")).pull,
  push: async () => (await import("./push.js")).push,
  rm: async () => (await import("./containers.js")).remove,
  rmi: async () => (await import("./remove-image.js")).removeImage,
  tag: async () => (await import("./tag.js")).tag,
  version: async () => (await import("./info.js")).version,
};

/** Docker's other words for the same things. */
const ALIASES: Readonly<Record<string, string>> = {
  "buildx build": "build",
  "image build": "build",
  "image inspect": "inspect",
  "image list": "images",
  "image ls": "images",
  "image pull": "pull",
  "image push": "push",
  "image rm": "rmi",
  "image remove": "rmi",
  "image tag": "tag",
  "container ls": "ps",
  "container list": "ps",
  "container rm": "rm",
  "context list": "context ls",
};

/** Flags before the verb. The ones with a value that mean nothing here are skipped with it. */
const SKIPPED_WITH_VALUE = new Set(["--context", "-c", "--config", "--log-level", "-l", "--tlscacert", "--tlscert", "--tlskey"]);
const SKIPPED = new Set(["--debug", "-D", "--tls", "--tlsverify"]);

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs one command as `docker` would be given it. Resolves to the exit code; writes what went wrong to the standard error. */
export async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let stoppedBy: (typeof SIGNALS)[number] | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    stoppedBy = SIGNALS.find((name) => name === signal);
    stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  using _caller = watchCaller(() => onSignal("SIGHUP"));
  for (const stream of [process.stdout, process.stderr]) stream.on("error", onStreamError);
  let name = "";
  try {
    const call = readCall(argv);
    name = call.name;
    const load = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
    if (load === undefined) throw unknownVerb(name);
    const settings = buildSettings();
    const context: VerbContext = { settings: { ...settings, engineSocket: call.socket ?? settings.engineSocket }, signal: stop.signal };
    const code = await (await load())(call.args, context);
    return stoppedBy === undefined ? code : 128 + constants.signals[stoppedBy];
  } catch (error) {
    if (stoppedBy !== undefined) return 128 + constants.signals[stoppedBy];
    const { message, hint } = toLongshoreError(error, `"${name}"`);
    process.stderr.write(`longshore-docker${name === "" ? "" : ` ${name}`}: ${message}\n${hint === undefined ? "" : `${hint}\n`}`);
    return 1;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** When the reader is gone (`| head`, or a caller that died), what is left to do is still done: above all, cleaning up. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

interface Call {
  readonly name: string;
  readonly args: readonly string[];
  readonly socket: string | undefined;
}

function readCall(argv: readonly string[]): Call {
  let socket: string | undefined;
  let index = 0;
  for (; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--host" || word === "-H") socket = socketOfHost(argv[++index]);
    else if (word.startsWith("--host=")) socket = socketOfHost(word.slice("--host=".length));
    else if (SKIPPED_WITH_VALUE.has(word)) index++;
    else if (word === "--version" || word === "-v") return { name: "version", args: [], socket };
    else if (!SKIPPED.has(word)) break;
  }
  const [first = "", second = ""] = argv.slice(index);
  const pair = `${first} ${second}`;
  if (Object.hasOwn(ALIASES, pair)) return { name: ALIASES[pair] ?? "", args: argv.slice(index + 2), socket };
  if (Object.hasOwn(VERBS, pair)) return { name: pair, args: argv.slice(index + 2), socket };
  return { name: first, args: argv.slice(index + 1), socket };
}

function unknownVerb(name: string): LongshoreError {
  const known = Object.keys(VERBS).join(", ");
  if (name === "") return new LongshoreError("INVALID_INPUT", "Which command?", { hint: `There are ${known}.` });
  return new LongshoreError("UNSUPPORTED", `This stands in for docker, but has no command "${name}".`, {
    hint: `There are ${known}. For anything else set WRANGLER_DOCKER_BIN to a docker CLI.`,
  });
}
