import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

/** Everything of an engine that the kernel counts, by name and number: equal before and after what must leave nothing. */
export type Census = Readonly<Record<string, number>>;

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const MONITOR = "conmon";
/** An engine needs these only while it makes a sandbox; other views that have the paths below it must not have them for longer either. */
const OF_A_SANDBOX = /\/[0-9a-f]{8}-[0-9a-f-]{27}\/(root|disk|base-\d+|volume-\d+)$/;
/** What grows by design and is bounded otherwise: logs of ended instances, and the layers of images, which are counted by their directory. */
const NOT_LISTED = /^data\/(logs-ended|layers\/[^/]+)\//;

/**
 * Counts what there is of the engine with process `pid` whose directories are below `directory`. Its processes are those that it or conmon has
 * made: found by their cgroup, their parent, and the directory in their command line.
 */
export function takeCensus(directory: string, pid: number): Census {
  const counts = new Map<string, number>();
  const add = (name: string, by = 1) => counts.set(name, (counts.get(name) ?? 0) + by);
  const parent = cgroupParent(directory);
  const seen = new Set<string>();
  const views = new Map<string, number>([[link(`/proc/${pid}/ns/mnt`), pid]]);
  for (const process of processesOf(directory, pid, parent)) {
    add(`process ${process.name}`);
    if (process.name === MONITOR) views.set(link(`/proc/${process.pid}/ns/mnt`), process.pid);
    for (const kind of NAMESPACES) {
      const id = link(`/proc/${process.pid}/ns/${kind}`);
      // A monitor keeps the view of mounts of the engine that started it.
      const shared = id === link(`/proc/self/ns/${kind}`) || (kind === "mnt" && process.name === MONITOR);
      if (id !== "" && !shared) seen.add(id);
    }
  }
  for (const viewer of views.values()) {
    for (const line of linesOf(`/proc/${viewer}/mountinfo`)) {
      const [, , , , mountPoint = ""] = line.split(" ");
      if (OF_A_SANDBOX.test(mountPoint)) add("mounts of sandboxes outside of them");
    }
  }
  const networks = networkFiles(pid);
  for (const [id] of networks) seen.add(id);
  for (const id of seen) add(`namespace ${id.split(":")[0]}`);
  for (const [, file] of networks) {
    for (const line of inside(file, ["ip", "-o", "link"])) add(`link ${/^\d+: ([a-z]+)/.exec(line)?.[1] ?? ""}`);
    add("nft lines", inside(file, ["nft", "list", "ruleset"]).length);
  }
  // Others' mounts are in the engine's view as they were when it started.
  add("mounts of the engine", linesOf(`/proc/${pid}/mountinfo`).filter((line) => line.includes(directory)).length);
  add("mounts of the host", linesOf("/proc/self/mountinfo").filter((line) => line.includes(directory)).length);
  for (const cgroup of cgroupsBelow(parent)) add(`cgroup ${cgroup}`);
  for (const device of loopDevices(directory)) add(`loop ${device}`);
  for (const file of files(directory, "")) add(`file ${file}`);
  return Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b)));
}

/** The cgroup of all containers of the engine whose directories are below `directory`. */
export function cgroupParent(directory: string): string {
  return `longshore-${createHash("sha256").update(join(directory, "data")).digest("hex").slice(0, 8)}`;
}

/** What differs, a line each; nothing when the two are equal. */
export function differences(before: Census, after: Census): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names]
    .filter((name) => (before[name] ?? 0) !== (after[name] ?? 0))
    .map((name) => `${name}: ${before[name] ?? 0} → ${after[name] ?? 0}`);
}

/** Sums by the first word of each name, for a short report. */
export function summary(census: Census): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, number] of Object.entries(census)) {
    const kind = name.startsWith("mounts") || name.startsWith("nft") ? name : (name.split(" ")[0] ?? name);
    sums[kind] = (sums[kind] ?? 0) + number;
  }
  return sums;
}

interface FoundProcess {
  readonly pid: number;
  readonly name: string;
}

function processesOf(directory: string, engine: number, parent: string): FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!(pid > 0) || pid === engine || pid === process.pid) continue;
    const status = text(`/proc/${pid}/stat`);
    if (status === "") continue;
    const [state, ppid] = status.slice(status.lastIndexOf(")") + 2).split(" ");
    const name = status.slice(status.indexOf("(") + 1, status.lastIndexOf(")"));
    if (text(`/proc/${pid}/cgroup`).includes(`/${parent}/`))
      found.push({ pid, name: `in a container ${state === "Z" ? "(zombie)" : ""}`.trim() });
    else if (text(`/proc/${pid}/cmdline`).includes(`${directory}/`)) found.push({ pid, name });
    else if (Number(ppid) === engine) found.push({ pid, name: `${name}${state === "Z" ? " (zombie)" : ""}` });
  }
  return found;
}

/** The network namespaces that a process keeps open, by id, each with a file to enter it by; its own is left out. */
function networkFiles(pid: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const fd of names(`/proc/${pid}/fd`)) {
    const id = link(`/proc/${pid}/fd/${fd}`);
    if (id.startsWith("net:[") && id !== link(`/proc/${pid}/ns/net`)) found.set(id, `/proc/${pid}/fd/${fd}`);
  }
  return found;
}

function inside(network: string, command: readonly string[]): string[] {
  // A namespace may be closed between looking and entering.
  if (!existsSync(network)) return [];
  const output = execFileSync("nsenter", [`--net=${network}`, ...command], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return output.split("\n").filter((line) => line !== "");
}

function cgroupsBelow(parent: string): string[] {
  const found: string[] = [];
  const look = (path: string, name: string) => {
    for (const entry of directoriesIn(path)) {
      found.push(`${name}/${anonymous(entry)}`);
      look(join(path, entry), `${name}/${anonymous(entry)}`);
    }
  };
  const root = "/sys/fs/cgroup";
  if (existsSync(join(root, "cgroup.controllers"))) look(join(root, parent), "unified");
  else for (const controller of directoriesIn(root)) look(join(root, controller, parent), controller);
  return found;
}

function directoriesIn(path: string): string[] {
  return ifThere(
    () =>
      readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
    [],
  );
}

function loopDevices(directory: string): string[] {
  return names("/sys/block")
    .filter((name) => name.startsWith("loop"))
    .map((name) => text(`/sys/block/${name}/loop/backing_file`).trim())
    .filter((file) => file.startsWith(`${directory}/`))
    .map((file) => anonymous(file.slice(directory.length + 1)));
}

function files(directory: string, below: string): string[] {
  const found: string[] = [];
  for (const entry of ifThere(() => readdirSync(join(directory, below), { withFileTypes: true }), [])) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (NOT_LISTED.test(path)) continue;
    found.push(anonymous(path));
    if (entry.isDirectory()) found.push(...files(directory, path));
  }
  return found;
}

/** Without what is different for each container, process and layer. */
function anonymous(path: string): string {
  return path
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<id>")
    .replace(/[0-9a-f]{12,}/g, "<hex>")
    .replace(/\.[A-Za-z0-9]{6}(?=\/|$)/g, ".<random>");
}

function linesOf(file: string): string[] {
  return text(file)
    .split("\n")
    .filter((line) => line !== "");
}

function text(file: string): string {
  return ifThere(() => readFileSync(file, "utf8"), "");
}

function link(path: string): string {
  return ifThere(() => readlinkSync(path), "");
}

function names(path: string): string[] {
  return ifThere(() => readdirSync(path), []);
}

/** A process, and what belongs to it, may end while it is looked at. */
function ifThere<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ESRCH", "ENODEV", "ENOTDIR", "EACCES", "ENXIO"].some((code) => isErrno(error, code))) return otherwise;
    throw error;
  }
}
