import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Readable, Transform, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";

/** Bytes that have passed, of those that are known to come. */
export type Progress = (done: number, total: number) => void;

/** Names stay what they are, and numbers are the owners: the machine that restores may have other users. */
const TAR_CREATE = ["--create", "--numeric-owner", "--format=posix", "--sort=name", "--file=-"];
const TAR_EXTRACT = ["--extract", "--numeric-owner", "--same-permissions", "--same-owner", "--file=-"];

/**
 * Packs a directory into a new file, tar and Zstandard, which has checksums. It has its name when it is complete and on disk.
 * Errors: `NO_SPACE`; then there is no file.
 */
export async function packFile(directory: string, file: string, total: number, progress: Progress): Promise<void> {
  const partial = `${file}.partial`;
  try {
    const tar = run("tar", [...TAR_CREATE, `--directory=${directory}`, "."]);
    const zstd = run("zstd", ["-q", "-1", "--check", "--stdout"]);
    const output = createWriteStream(partial, { mode: 0o600, flush: true });
    await all([pipeline(tar.stdout, counting(total, progress), zstd.stdin), pipeline(zstd.stdout, output), tar.ended, zstd.ended]);
    await rename(partial, file);
    await syncPath(dirname(file));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Copies a directory's content into another, which is there and empty. */
export async function copyTree(directory: string, target: string, total: number, progress: Progress): Promise<void> {
  const from = run("tar", [...TAR_CREATE, `--directory=${directory}`, "."]);
  const to = run("tar", [...TAR_EXTRACT, `--directory=${target}`]);
  const counted = counting(total, progress);
  await all([pipeline(from.stdout, counted), feed(counted, to.stdin), from.ended, to.ended]);
  await syncFileSystem(target);
}

/** Unpacks what {@link packFile} made into a directory. Errors: `INVALID_INPUT` when it is cut short or damaged. */
export async function unpackFile(file: string, directory: string, total: number, progress: Progress): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const zstd = run("zstd", ["-q", "--decompress", "--stdout"]);
  const tar = run("tar", [...TAR_EXTRACT, `--directory=${directory}`]);
  await all([
    pipeline(createReadStream(file), counting(total, progress), zstd.stdin),
    feed(zstd.stdout, tar.stdin),
    zstd.ended,
    tar.ended,
  ]).catch((cause: unknown) => {
    throw new LongshoreError("INVALID_INPUT", `${file} is not a whole backup. ${cause instanceof Error ? cause.message : ""}`.trim(), {
      cause,
    });
  });
  await syncFileSystem(directory);
}

interface Running {
  readonly stdin: NonNullable<ChildProcess["stdin"]>;
  readonly stdout: NonNullable<ChildProcess["stdout"]>;
  readonly ended: Promise<void>;
}

function run(program: string, args: readonly string[]): Running {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, 2_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new LongshoreError("UNAVAILABLE", `${program} cannot be run.`, { cause, hint: 'See "longshore doctor".' })),
    );
    child.once("close", (code) => (code === 0 ? resolve() : reject(new LongshoreError("INTERNAL", `${program} failed: ${said.trim()}`))));
  });
  // It is looked at with all others.
  ended.catch(() => undefined);
  return { stdin: child.stdin, stdout: child.stdout, ended };
}

/**
 * Gives a program its input, which it may not read to the end: tar ends at an archive's last entry, and leaves what fills up the last block. Whether it has had
 * enough, its exit code says.
 */
async function feed(from: Readable, to: Writable): Promise<void> {
  to.on("error", () => undefined);
  to.once("close", () => from.unpipe(to).resume());
  from.pipe(to);
  await finished(from, { writable: false });
}

/** Waits for everything, and then throws that the disk is full, else what a program said, before what a broken pipe says. */
async function all(parts: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(parts)).flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  const full = failures.find((each) => isErrno(each, "ENOSPC") || isErrno(each, "EDQUOT"));
  if (full !== undefined) throw toLongshoreError(full, "writing the backup");
  const failure = failures.find((each) => each instanceof LongshoreError) ?? failures[0];
  if (failure !== undefined) throw failure;
}

function counting(total: number, progress: Progress): Transform {
  let done = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      progress(Math.min(done, total), total);
      next(null, chunk);
    },
  });
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}

async function syncFileSystem(path: string): Promise<void> {
  const { ended, stdin } = run("sync", ["--file-system", path]);
  stdin.end();
  await ended;
}
