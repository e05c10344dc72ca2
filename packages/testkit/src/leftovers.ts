import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import { runDirectory } from "@longshore/server";
import { processes, type SeenProcess } from "./processes.js";

/**
 * Everything that an installation has left outside its data directory, one line for each thing: processes, mounts, cgroups, sockets.
 * Network namespaces have no name here: one that no process and no mount holds is gone.
 */
export function leftovers(data: string): string[] {
  const run = runDirectory(data);
  return [
    ...processesOf(data).map(({ pid, commandLine }) => `process ${pid}: ${commandLine.slice(0, 200)}`),
    ...mounts(processes(), data, run),
    ...cgroupDirectories(cgroupName(data)).map((path) => `cgroup ${path}`),
    ...boundSockets(run).map((path) => `socket ${path}`),
    ...(existsSync(run) ? [`directory ${run}: ${readdirSync(run).join(", ")}`] : []),
  ];
}

/** Every process of an installation: those that name its directories, and those in its cgroups. */
export function processesOf(data: string): SeenProcess[] {
  const run = runDirectory(data);
  const cgroup = `/${cgroupName(data)}/`;
  return processes().filter((each) => each.pid !== process.pid && (mentions(each.commandLine, data, run) || each.cgroup.includes(cgroup)));
}

/** The name of the directory that an installation's containers have in the cgroup tree. */
export function cgroupName(data: string): string {
  return `longshore-${createHash("sha256").update(join(data, "engine")).digest("hex").slice(0, 8)}`;
}

function mentions(text: string, data: string, run: string): boolean {
  return text.includes(`${data}/`) || text.endsWith(data) || text.includes(`${data} `) || text.includes(run);
}

/** Mounts below the data directory, whichever namespace they are in. */
function mounts(all: SeenProcess[], data: string, run: string): string[] {
  const witnesses = new Map(all.map(({ mountNamespace, pid }) => [mountNamespace, pid]));
  return [...witnesses].flatMap(([namespace, pid]) =>
    read(`/proc/${pid}/mountinfo`)
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      // A data directory that is a mount itself was made so by the test.
      .filter((path) => path.startsWith(`${data}/`) || path.startsWith(run))
      .map((path) => `mount ${path} in ${namespace}`),
  );
}

function cgroupDirectories(name: string): string[] {
  const root = "/sys/fs/cgroup";
  const trees = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [join(root, name), ...trees.map((tree) => join(root, tree.name, name))].filter((path) => existsSync(path));
}

function boundSockets(run: string): string[] {
  return read("/proc/net/unix")
    .split("\n")
    .map((line) => line.trim().split(/\s+/)[7] ?? "")
    .filter((path) => path.startsWith(run));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // The process ended meanwhile, and its namespace with it, unless another process is its witness at the next look.
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH") || isErrno(error, "EINVAL") || isErrno(error, "EACCES")) return "";
    throw error;
  }
}
