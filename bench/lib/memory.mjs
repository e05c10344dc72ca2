import { readdir, readFile } from "node:fs/promises";

/** Lines of /proc/meminfo that are the kernel's own memory. VmallocUsed is not among them: it is the stacks a second time, and next to nothing else. */
const KERNEL_LINES = ["Slab", "KernelStack", "PageTables", "Percpu"];

/**
 * All processes that can be seen, with the name of their program and their parent. Kernel threads are not among them.
 *
 * @returns {Promise<{ pid: number, parent: number, name: string, command: string }[]>}
 */
export async function processTable() {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const rows = await Promise.all(pids.map((pid) => ifThere(processRow(pid))));
  return rows.filter((row) => row !== undefined && row.command !== "");
}

async function processRow(pid) {
  const [stat, command] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile(`/proc/${pid}/cmdline`, "utf8")]);
  const [, name, rest] = /^\d+ \((.*)\) \S (\d+) /s.exec(stat);
  return { pid, parent: Number(rest), name, command: command.replaceAll("\0", " ").trim() };
}

/** A process's proportional share of memory in bytes: what it shares with n others counts for 1/n. 0 when it is gone. */
export async function memoryOf(pid) {
  const rollup = await ifThere(readFile(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup ?? "")?.[1] ?? 0) * 1024;
}

/** The kernel's own memory in bytes, by kind: of the whole machine. */
export async function kernelMemory() {
  const lines = await readFile("/proc/meminfo", "utf8");
  const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(lines)?.[1] ?? 0) * 1024;
  return Object.fromEntries(KERNEL_LINES.map((name) => [name, bytes(name)]));
}

/** A file of a process that has ended meanwhile is no failure. */
async function ifThere(reading) {
  return await reading.catch((error) => {
    if (error.code === "ENOENT" || error.code === "ESRCH") return undefined;
    throw error;
  });
}
