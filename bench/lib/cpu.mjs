import { readFile } from "node:fs/promises";

/** Linux counts processor time in hundredths of a second for everybody who asks. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used so far, all its threads, in seconds. */
export async function cpuSecondsOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
