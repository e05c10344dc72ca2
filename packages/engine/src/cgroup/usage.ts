import type { CgroupTree } from "./cgroup.js";

/** What a container has used so far, as its cgroup counts it. */
export interface Usage {
  readonly cpuNs: number;
  readonly cpuUserNs: number;
  readonly cpuSystemNs: number;
  readonly throttledPeriods: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  /** Files in the page cache that nothing has used lately: what Docker's own command takes off. */
  readonly inactiveFileBytes: number;
  readonly processes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** User and system time of version 1 are in ticks of 10 ms. */
const TICK_NS = 10_000_000;

/** A cgroup that is gone has used nothing. */
export function readUsage(cgroups: CgroupTree, id: string): Usage {
  return cgroups.version === 2 ? usageV2(cgroups, id) : usageV1(cgroups, id);
}

function usageV2(cgroups: CgroupTree, id: string): Usage {
  const cpu = fields(cgroups.read("cpu", id, "cpu.stat"));
  const io = (cgroups.read("io", id, "io.stat") ?? "").matchAll(/\b(rbytes|wbytes)=(\d+)/g);
  const moved = { rbytes: 0, wbytes: 0 };
  for (const [, name, bytes] of io) moved[name === "rbytes" ? "rbytes" : "wbytes"] += Number(bytes);
  return {
    cpuNs: (cpu.get("usage_usec") ?? 0) * 1000,
    cpuUserNs: (cpu.get("user_usec") ?? 0) * 1000,
    cpuSystemNs: (cpu.get("system_usec") ?? 0) * 1000,
    throttledPeriods: cpu.get("nr_throttled") ?? 0,
    memoryBytes: number(cgroups.read("memory", id, "memory.current")),
    memoryLimitBytes: number(cgroups.read("memory", id, "memory.max")),
    inactiveFileBytes: fields(cgroups.read("memory", id, "memory.stat")).get("inactive_file") ?? 0,
    processes: number(cgroups.read("pids", id, "pids.current")),
    readBytes: moved.rbytes,
    writtenBytes: moved.wbytes,
  };
}

function usageV1(cgroups: CgroupTree, id: string): Usage {
  const ticks = fields(cgroups.read("cpuacct", id, "cpuacct.stat"));
  const io = cgroups.read("blkio", id, "blkio.throttle.io_service_bytes") ?? "";
  const moved = (kind: string) =>
    [...io.matchAll(new RegExp(`^\\d+:\\d+ ${kind} (\\d+)$`, "gm"))].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return {
    cpuNs: number(cgroups.read("cpuacct", id, "cpuacct.usage")),
    cpuUserNs: (ticks.get("user") ?? 0) * TICK_NS,
    cpuSystemNs: (ticks.get("system") ?? 0) * TICK_NS,
    throttledPeriods: fields(cgroups.read("cpu", id, "cpu.stat")).get("nr_throttled") ?? 0,
    memoryBytes: number(cgroups.read("memory", id, "memory.usage_in_bytes")),
    memoryLimitBytes: number(cgroups.read("memory", id, "memory.limit_in_bytes")),
    inactiveFileBytes: fields(cgroups.read("memory", id, "memory.stat")).get("total_inactive_file") ?? 0,
    processes: number(cgroups.read("pids", id, "pids.current")),
    readBytes: moved("Read"),
    writtenBytes: moved("Write"),
  };
}

function fields(text = ""): Map<string, number> {
  return new Map(text.split("\n").map((line): [string, number] => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]));
}

/** `max`, and no file, count as 0. */
function number(text = ""): number {
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : 0;
}
