import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { PutAnswer, PutJob } from "./put-job.js";

const PROGRAM = fileURLToPath(new URL("./put-main.js", import.meta.url));
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
const O_PATH = 0o10000000;

/**
 * Puts the files of a tar archive into a directory of a container; `pid` is one of its processes. A process of its own does it, with the container's root
 * as its root. Errors: `NOT_FOUND`, `INVALID_INPUT` (not a directory, a damaged archive, names that lead out of it), `CONFLICT`, `NO_SPACE`.
 */
export async function putArchive(pid: number, archive: AsyncIterable<Buffer>, job: PutJob, signal: AbortSignal): Promise<void> {
  const child = withRoot(pid, (root) =>
    spawn(process.execPath, [PROGRAM, JSON.stringify(job)], {
      stdio: ["pipe", "ignore", "pipe", root, "pipe"],
      env: ENVIRONMENT,
      signal,
      killSignal: "SIGKILL",
    }),
  );
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const [feeding, ending, answer, complaint] = await Promise.allSettled([
    pipeline(Readable.from(archive), child.stdin as Writable),
    ended,
    text(child.stdio[4] as Readable),
    text(child.stderr as Readable),
  ]);
  signal.throwIfAborted();
  if (ending.status === "rejected") throw ending.reason;
  const parsed = answer.status === "fulfilled" && answer.value !== "" ? (JSON.parse(answer.value) as PutAnswer) : undefined;
  if (parsed !== undefined && "code" in parsed) throw new LongshoreError(parsed.code, parsed.message);
  if (feeding.status === "rejected") throw feeding.reason;
  if (parsed !== undefined) return;
  const said = complaint.status === "fulfilled" ? complaint.value.trim().slice(-1_000) : "";
  throw new LongshoreError("INTERNAL", `The process that puts files into the container ended without an answer. ${said}`);
}

function withRoot(pid: number, start: (root: number) => ChildProcess): ChildProcess {
  let root: number;
  try {
    root = openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
  } catch (cause) {
    if (isErrno(cause, "ENOENT") || isErrno(cause, "ESRCH"))
      throw new LongshoreError("CONFLICT", "The container has just ended.", { cause });
    throw cause;
  }
  try {
    return start(root);
  } finally {
    closeSync(root);
  }
}
