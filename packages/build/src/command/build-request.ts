import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { LongshoreError } from "@longshore/contract";
import { requirePlatform } from "../platform.js";
import { fullName } from "../reference.js";
import { readFlags, requireWords } from "./verb.js";

/** A build that was asked for and can be tried: the Dockerfile is read, the context is there. */
export interface BuildRequest {
  /** Absolute. */
  readonly context: string;
  readonly dockerfile: string;
  /** Full names. */
  readonly tags: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Stage to build; default the last one. */
  readonly target: string | undefined;
  /** Flags that buildah takes as Docker does. */
  readonly flags: readonly string[];
  readonly quiet: boolean;
  /** What is read besides the context: its secrets, a file that says what to leave out. Absolute. */
  readonly reads: readonly string[];
}

const FLAGS = {
  tag: { type: "string", short: "t", multiple: true },
  file: { type: "string", short: "f" },
  platform: { type: "string" },
  "build-arg": { type: "string", multiple: true },
  quiet: { type: "boolean", short: "q" },
  pull: { type: "boolean" },
  // These mean the same to buildah, and are handed on.
  network: { type: "string" },
  target: { type: "string" },
  label: { type: "string", multiple: true },
  secret: { type: "string", multiple: true },
  "add-host": { type: "string", multiple: true },
  "no-cache": { type: "boolean" },
  // These have nothing to act on here: the result is always loaded, and there are no attestations.
  load: { type: "boolean" },
  provenance: { type: "string" },
  sbom: { type: "string" },
  progress: { type: "string" },
  rm: { type: "boolean" },
  "force-rm": { type: "boolean" },
} as const;

/** Reads the words of `build`, and the Dockerfile they name (`-f -` is the standard input). Errors: `INVALID_INPUT`, `NOT_FOUND`, `UNSUPPORTED`. */
export async function readBuildRequest(args: readonly string[]): Promise<BuildRequest> {
  const { values, positionals } = readFlags("build", args, FLAGS);
  requireWords("build", positionals, ["CONTEXT"]);
  requirePlatform(values.platform);
  const context = requireContext(positionals[0] ?? "");
  const tags = (values.tag ?? []).map(fullName);
  const secrets = (values.secret ?? []).map(readSecret);
  const flags = [
    ...["network", "target"].flatMap((name) => one(name, values[name as "network" | "target"])),
    ...["label", "add-host"].flatMap((name) => (values[name as "label"] ?? []).flatMap((value) => one(name, value))),
    ...secrets.flatMap(({ flag }) => one("secret", flag)),
    ...(values["no-cache"] === true ? ["--no-cache"] : []),
    `--pull=${values.pull === true ? "always" : "false"}`,
  ];
  const { text: dockerfile, ignoreFile } = await readDockerfileText(values.file, context);
  if (ignoreFile !== undefined) flags.push("--ignorefile", ignoreFile);
  return {
    context,
    dockerfile,
    tags,
    buildArgs: readBuildArgs(values["build-arg"] ?? []),
    target: values.target,
    flags,
    reads: [...secrets.flatMap(({ files }) => files), ...(ignoreFile === undefined ? [] : [ignoreFile])],
    quiet: values.quiet === true,
  };
}

function one(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`--${name}`, value];
}

/** `--secret id=…,src=…` with its file where buildah finds it, which works elsewhere. */
function readSecret(secret: string): { readonly flag: string; readonly files: readonly string[] } {
  const files: string[] = [];
  const parts = secret.split(",").map((part) => {
    const [, name, path] = /^(src|source)=(.+)$/.exec(part) ?? [];
    if (path === undefined) return part;
    files.push(resolve(path));
    return `${name}=${resolve(path)}`;
  });
  return { flag: parts.join(","), files };
}

function requireContext(word: string): string {
  if (word === "-" || /^(?:https?|git|ssh):\/\/|^git@/.test(word)) {
    throw new LongshoreError("UNSUPPORTED", `The build context "${word}" is not a directory of this machine.`, {
      hint: "Fetch it first, then give its directory.",
    });
  }
  const context = resolve(word);
  if (!existsSync(context)) {
    throw new LongshoreError("NOT_FOUND", `The build context ${context} does not exist.`, {
      hint: 'It is the directory with the files that the Dockerfile copies: "image_build_context" in the wrangler config, else the Dockerfile\'s own.',
    });
  }
  if (!statSync(context).isDirectory()) throw new LongshoreError("INVALID_INPUT", `The build context ${context} is not a directory.`);
  return context;
}

async function readDockerfileText(file: string | undefined, context: string): Promise<{ text: string; ignoreFile: string | undefined }> {
  if (file === "-")
    return { text: requireContent(await text(process.stdin), "The Dockerfile on the standard input"), ignoreFile: undefined };
  const path = file === undefined ? join(context, "Dockerfile") : resolve(file);
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new LongshoreError("NOT_FOUND", `There is no Dockerfile at ${path}.`, {
      hint: "Name it with -f FILE, or put it into the build context.",
    });
  }
  const ownIgnoreFile = join(dirname(path), `${basename(path)}.dockerignore`);
  return { text: requireContent(readFileSync(path, "utf8"), path), ignoreFile: existsSync(ownIgnoreFile) ? ownIgnoreFile : undefined };
}

function requireContent(content: string, what: string): string {
  if (/^\s*FROM\s/im.test(content)) return content;
  throw new LongshoreError("INVALID_INPUT", `${what} has no FROM instruction.`, {
    hint: 'A Dockerfile starts with one, like "FROM node:20-slim".',
  });
}

function readBuildArgs(words: readonly string[]): Record<string, string> {
  const read: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals <= 0)
      throw new LongshoreError("INVALID_INPUT", `The build argument "${word}" has no value.`, {
        hint: "Write it as --build-arg NAME=VALUE.",
      });
    read[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return read;
}
