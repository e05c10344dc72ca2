import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { LongshoreError } from "@longshore/contract";

/**
 * A program that builds images: it takes `build` and its flags as the `docker` command does, gives what it has built to the engine whose socket
 * is in `LONGSHORE_GIVE_TO`, and prints the digest that the engine has it under. What it says meanwhile goes to its standard error.
 */
export interface BuildCommand {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface BuildOptions {
  /** Flags for the program, without tags: those are the engine's. */
  readonly flags: readonly string[];
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
}

const TERM_GRACE_MS = 10_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/m;
const LAST_WORDS = 2;

/**
 * Builds an image from a context, a tar archive; returns the digest that the engine has it under. `said` is told the program's output as it comes.
 * Errors: `INVALID_INPUT` with the program's last words, `UNAVAILABLE` when the signal aborts.
 */
export async function buildImage(
  builder: BuildCommand & { readonly engineSocket: string; readonly scratch: string },
  context: AsyncIterable<Buffer>,
  { flags, dockerfile }: BuildOptions,
  said: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const directory = await mkdtemp(join(builder.scratch, "build-"));
  try {
    await unpackContext(context, directory, signal);
    const [program = "", ...words] = builder.command;
    const child = spawn(program, [...words, "build", ...flags, "--file", inside(directory, dockerfile), directory], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...builder.environment, LONGSHORE_GIVE_TO: builder.engineSocket },
      signal,
      killSignal: "SIGTERM",
    });
    // Asked to end, it removes what it has made; one that does not end is killed.
    signal.addEventListener("abort", () => void setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS).unref());
    let result = "";
    let lastWords = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      result += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-4_000);
      said(text);
    });
    const code = await ended(child, signal);
    const digest = DIGEST.exec(result)?.[0];
    if (code === 0 && digest !== undefined) return digest;
    throw new LongshoreError("INVALID_INPUT", lastWords.trim().split("\n").slice(-LAST_WORDS).join(" ") || `The build ended with ${code}.`);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function ended(child: ReturnType<typeof spawn>, signal: AbortSignal): Promise<number | null> {
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => {
      if (!signal.aborted) reject(error);
    });
    child.once("close", resolve);
  });
  if (signal.aborted) throw new LongshoreError("UNAVAILABLE", "The build was given up: whoever asked for it is gone.");
  return code;
}

/** GNU tar keeps to the directory: it refuses names and links that lead out of it. */
async function unpackContext(context: AsyncIterable<Buffer>, directory: string, signal: AbortSignal): Promise<void> {
  const tar = spawn("tar", ["-x", "-p", "--no-same-owner", "-C", directory, "-f", "-"], { stdio: ["pipe", "ignore", "pipe"], signal });
  let complaint = "";
  tar.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-1_000);
  });
  const [fed, code] = await Promise.allSettled([pipeline(context, tar.stdin), ended(tar, signal)]);
  if (code.status === "rejected") throw code.reason;
  if (code.value !== 0) throw new LongshoreError("INVALID_INPUT", `The build context cannot be unpacked: ${complaint.trim()}`);
  if (fed.status === "rejected") throw fed.reason;
}

/** Errors: `INVALID_INPUT` for a path that leads out of the context. */
function inside(directory: string, path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length > 0 && !parts.includes("..") && !path.includes("\0")) return join(directory, ...parts);
  throw new LongshoreError("INVALID_INPUT", `"${path}" is not a file of the build context.`);
}
