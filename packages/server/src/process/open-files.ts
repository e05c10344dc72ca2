import { readFileSync } from "node:fs";

/** A generous limit for one process in a container; the host's own hard limit may be lower, and cannot be passed. */
const WANTED = 65_536;

/** Open files that a container's process may have. */
export function openFilesLimit(): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return hard === undefined || hard === "unlimited" ? WANTED : Math.min(WANTED, Number(hard));
}
