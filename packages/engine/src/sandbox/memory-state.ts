import { readFileSync } from "node:fs";
import { isErrno } from "@longshore/contract";
import type { MemoryState } from "./pool-plan.js";

/** The machine's memory as the kernel sees it now. Takes a tenth of a millisecond. */
export function memoryState(): MemoryState {
  const text = readFileSync("/proc/meminfo", "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytes("MemTotal"), availableBytes: bytes("MemAvailable"), stalledPercent: stalledPercent() };
}

function stalledPercent(): number {
  try {
    return Number(/^some avg10=([\d.]+)/m.exec(readFileSync("/proc/pressure/memory", "utf8"))?.[1] ?? 0);
  } catch (error) {
    // A kernel without pressure stall information, or with it turned off.
    if (isErrno(error, "ENOENT") || isErrno(error, "EOPNOTSUPP")) return 0;
    throw error;
  }
}
