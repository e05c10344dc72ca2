import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { LongshoreError, toLongshoreError } from "@longshore/contract";
import { enterRoot } from "../../sys/layer-calls.js";
import { ArchiveReader } from "../archive/reader.js";
import type { UnpackAnswer, UnpackJob } from "./job.js";
import { Unpacker } from "./unpacker.js";

/*
 * The process that unpacks one layer. It reads the layer from its standard input, and lives in the layer's directory as its root: it can reach no
 * file of the host, whatever the archive says, and it keeps the work of unpacking away from the engine's own loop.
 */

const ANSWER_FD = 3;
const GZIP = Buffer.of(0x1f, 0x8b);
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
const CHUNK = 1024 * 1024;

async function work(job: UnpackJob): Promise<UnpackAnswer> {
  const compressed = metered(
    process.stdin,
    job.size,
    () => new LongshoreError("INVALID_INPUT", `Its blob ${job.digest} has more than the ${job.size} bytes that the manifest promises.`),
  );
  const first = await compressed.bytes.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  const archive = metered(
    decompressed(rejoined(head, compressed.bytes), head),
    job.maxBytes,
    () => new LongshoreError("TOO_LARGE", `It unpacks to more than ${Math.floor(job.maxBytes / 1e6)} MB.`),
  );
  // From here on nothing of the host has a name. Programs that are needed run already.
  enterRoot(job.directory);
  process.umask(0);
  const result = await new Unpacker(job.maxEntries).unpack(new ArchiveReader(archive.bytes));
  expectDigest("its blob is", compressed.digest(), job.digest);
  expectDigest("it unpacks to", archive.digest(), job.diffId);
  return { bytes: archive.length(), ...result };
}

function expectDigest(what: string, found: string, promised: string): void {
  if (found !== promised) throw new LongshoreError("INVALID_INPUT", `Damaged: ${what} ${found}, not ${promised}.`);
}

/** Passes bytes on while it counts and hashes them. More than `limit` is the error given. */
function metered(source: AsyncIterable<Buffer>, limit: number, tooMuch: () => LongshoreError) {
  const hash = createHash("sha256");
  let length = 0;
  async function* pass() {
    for await (const chunk of source) {
      length += chunk.length;
      if (length > limit) throw tooMuch();
      hash.update(chunk);
      yield chunk;
    }
  }
  return { bytes: pass(), length: () => length, digest: () => `sha256:${hash.digest("hex")}` };
}

async function* rejoined(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  yield* rest;
}

/** By what the bytes are: a manifest's media type is not always right. */
function decompressed(source: AsyncIterable<Buffer>, head: Buffer): AsyncIterable<Buffer> {
  if (head.subarray(0, GZIP.length).equals(GZIP)) {
    const gunzip = createGunzip({ chunkSize: CHUNK });
    // A failure destroys the stream, which whoever reads it is told.
    pipeline(source, gunzip).catch((error: Error) => gunzip.destroy(error));
    return gunzip;
  }
  return head.subarray(0, ZSTD.length).equals(ZSTD) ? unzstd(source) : source;
}

/** Node.js 20 has no zstd; the command is on every machine that set-up has seen. Its own limit keeps a window to 128 MiB. */
function unzstd(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const child = spawn("zstd", ["-dc"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new LongshoreError("INVALID_INPUT", "Its zstd compression is damaged."));
    });
  });
  const outcomes = Promise.allSettled([ended, pipeline(source, child.stdin)]);
  return (async function* () {
    yield* child.stdout as AsyncIterable<Buffer>;
    for (const outcome of await outcomes) if (outcome.status === "rejected") throw outcome.reason;
  })();
}

function failure(error: unknown): UnpackAnswer {
  const isDamage = error instanceof Error && "code" in error && typeof error.code === "string" && /^(Z_|ERR_)/.test(error.code);
  const { code, message, hint } = isDamage
    ? new LongshoreError("INVALID_INPUT", `Its compression is damaged (${error.code}).`)
    : toLongshoreError(error, "unpacking it");
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}

const answer = await work(JSON.parse(process.argv[2] ?? "") as UnpackJob).catch(failure);
writeSync(ANSWER_FD, JSON.stringify(answer));
process.exit(0);
