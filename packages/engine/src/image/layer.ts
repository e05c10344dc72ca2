import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { LongshoreError } from "@longshore/contract";
import type { UnpackAnswer, UnpackJob } from "./unpack/job.js";

const PROGRAM = fileURLToPath(new URL("./unpack/main.js", import.meta.url));
/** The names of a layer's directories are kept in memory; this is enough for some millions. */
const MEMORY_MIB = 1024;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

export interface UnpackedLayer {
  /** Length of the archive. */
  readonly bytes: number;
  readonly entries: number;
  readonly droppedDevices: number;
}

/**
 * Unpacks one layer (tar, plain or compressed by gzip or zstd) into an empty directory, as an overlay lower directory. A process of its own does
 * it, with that directory as its root. What is in the directory after a failure is of no use.
 * Errors: `INVALID_INPUT` (damaged, not what the digests promise, or names that lead out of the layer), `TOO_LARGE`, `NO_SPACE`, and the signal's.
 */
export async function extractLayer(blob: Readable, job: UnpackJob, signal: AbortSignal): Promise<UnpackedLayer> {
  const child: ChildProcess = spawn(process.execPath, [`--max-old-space-size=${MEMORY_MIB}`, PROGRAM, JSON.stringify(job)], {
    stdio: ["pipe", "ignore", "pipe", "pipe"],
    env: ENVIRONMENT,
    signal,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const [feeding, ending, answer, complaint] = await Promise.allSettled([
    pipeline(blob, child.stdin as Writable),
    ended,
    text(child.stdio[3] as Readable),
    text(child.stderr as Readable),
  ]);
  signal.throwIfAborted();
  if (ending.status === "rejected") throw ending.reason;
  const parsed = answer.status === "fulfilled" && answer.value !== "" ? (JSON.parse(answer.value) as UnpackAnswer) : undefined;
  // The source's own failure explains an archive that ends early; that the process stopped reading explains nothing.
  if (feeding.status === "rejected" && !isClosedPipe(feeding.reason)) throw feeding.reason;
  if (parsed === undefined) {
    const said = complaint.status === "fulfilled" ? complaint.value.trim().slice(-1_000) : "";
    throw new LongshoreError("INTERNAL", `The process that unpacks the layer ${job.diffId} ended without an answer. ${said}`);
  }
  if ("code" in parsed) {
    throw new LongshoreError(parsed.code, `The image layer ${job.diffId} cannot be unpacked. ${parsed.message}`, {
      ...(parsed.hint === undefined ? {} : { hint: parsed.hint }),
    });
  }
  return parsed;
}

function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET";
}
