import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { getActiveResourcesInfo } from "node:process";
import { queryObjects, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isErrno } from "@longshore/contract";

/** What a process holds of its own: counts, and bytes for the two of memory. */
export interface ProcessMeasure {
  /** Open files by kind. */
  readonly fds: Readonly<Record<string, number>>;
  readonly inotifyWatches: number;
  /** What keeps the event loop alive, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** Whether they keep the event loop alive or not. */
  readonly timers: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** Measures the calling process, after its garbage is collected. */
export function measureProcess(): ProcessMeasure {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const fds: Record<string, number> = {};
  let inotifyWatches = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      add(fds, target.startsWith("/") ? "file" : target.replace(/:?\[.*\]$/, "").replace(/^anon_inode:/, ""));
      if (target.includes("inotify")) {
        inotifyWatches += readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")
          .split("\n")
          .filter((line) => line.startsWith("inotify")).length;
      }
    } catch (error) {
      // The one that read the directory is closed by now.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  const resources: Record<string, number> = {};
  for (const kind of getActiveResourcesInfo()) add(resources, kind);
  const { heapUsed, rss } = process.memoryUsage();
  return { fds, inotifyWatches, resources, timers: timers(), heapBytes: heapUsed, residentBytes: rss };
}

/** Timers that wait; those that are over or were cleared are not counted. */
function timers(): number {
  const example = setTimeout(() => undefined, 0);
  clearTimeout(example);
  return queryObjects(example.constructor, { format: "count" });
}

function add(counts: Record<string, number>, kind: string): void {
  counts[kind] = (counts[kind] ?? 0) + 1;
}
