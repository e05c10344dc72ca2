import { writeSync } from "node:fs";
import { isErrno, LongshoreError, toLongshoreError } from "@longshore/contract";
import { ArchiveReader } from "../image/archive/reader.js";
import { enterRoot } from "../sys/layer-calls.js";
import { FilePutter } from "./put-files.js";
import type { PutAnswer, PutJob } from "./put-job.js";

/**
 * Puts files into one container, whose root it makes its own: it can reach no file of the host, whatever the archive or the container's links say.
 */
const ROOT = "/proc/self/fd/3";
const ANSWER_FD = 4;

async function work(job: PutJob): Promise<PutAnswer> {
  // The stream is begun first: what it needs of the host is loaded by then.
  const archive = new ArchiveReader(process.stdin);
  enterRoot(ROOT);
  process.umask(0);
  try {
    process.chdir(job.path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new LongshoreError("NOT_FOUND", `There is no ${job.path} in the container.`);
    throw new LongshoreError("INVALID_INPUT", `${job.path} is not a directory of the container.`, { cause: error });
  }
  return { entries: await new FilePutter(job).put(archive) };
}

const answer = await work(JSON.parse(process.argv[2] ?? "") as PutJob).catch((error: unknown): PutAnswer => {
  const { code, message } = toLongshoreError(error, "putting files into the container");
  return { code, message };
});
writeSync(ANSWER_FD, JSON.stringify(answer));
process.exit(0);
