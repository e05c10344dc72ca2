import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import { makeWhiteout, markOpaque } from "../sys/libc.js";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/**
 * Unpacks one layer into an empty directory, as an overlay lower directory: GNU tar keeps xattrs and file capabilities (the npm readers do not),
 * whiteouts become the overlay file system's own marks.
 * Returns the unpacked stream's length in bytes. Errors: `INVALID_INPUT` when the bytes do not match `diffId` or are not an archive.
 */
export async function extractLayer(
  blob: Readable,
  mediaType: string,
  diffId: string,
  directory: string,
  signal: AbortSignal,
): Promise<number> {
  const hash = createHash("sha256");
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const tar = tarInto(directory, signal);
  const outcomes = await Promise.allSettled([pipeline(blob, decompressor(mediaType, signal), meter, tar.stdin, { signal }), tar.ended]);
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) {
    signal.throwIfAborted();
    const reason = outcomes[1].status === "rejected" ? outcomes[1].reason : failure.reason;
    throw new LongshoreError("INVALID_INPUT", `The image layer ${diffId} cannot be unpacked: ${String(reason?.message ?? reason)}`, {
      cause: reason,
    });
  }
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== diffId)
    throw new LongshoreError("INVALID_INPUT", `An image layer unpacks to ${digest}; its configuration promises ${diffId}.`);
  await convertWhiteouts(directory);
  return bytes;
}

function tarInto(directory: string, signal: AbortSignal) {
  const options = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner", "-p", "--delay-directory-restore"];
  const child = spawn("tar", ["-x", ...options, "-C", directory, "-f", "-"], { stdio: ["pipe", "ignore", "pipe"], signal });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`tar ended with ${code}: ${complaint.trim()}`))));
  });
  return { stdin: child.stdin, ended };
}

function decompressor(mediaType: string, signal: AbortSignal) {
  if (mediaType.endsWith("gzip")) return createGunzip();
  if (!mediaType.endsWith("zstd")) return new PassThrough();
  // Node.js 20 has no zstd; the command is on every machine that set-up has seen.
  const child = spawn("zstd", ["-dc"], { stdio: ["pipe", "pipe", "inherit"], signal });
  return async function* unzstd(source: AsyncIterable<Buffer>) {
    const feeding = pipeline(source, child.stdin);
    yield* child.stdout as AsyncIterable<Buffer>;
    await feeding;
  };
}

/** Replaces `.wh.*` files by the overlay file system's marks, in one walk. Symbolic links are never followed. */
async function convertWhiteouts(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.name === OPAQUE) {
      await rm(path);
      markOpaque(directory);
    } else if (entry.name.startsWith(WHITEOUT)) {
      await rm(path, { recursive: true });
      makeWhiteout(join(directory, entry.name.slice(WHITEOUT.length)));
    } else if (entry.isDirectory()) {
      await convertWhiteouts(path);
    }
  }
}
