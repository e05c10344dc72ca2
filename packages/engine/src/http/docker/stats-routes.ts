import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrno } from "@longshore/contract";
import { readUsage } from "../../cgroup/usage.js";
import type { ContainerEngine } from "../../engine.js";
import type { Instance } from "../../instance/instance.js";
import type { Answer, Exchange, Route } from "../router.js";
import { writeTo } from "../write.js";
import { friendlyName } from "./describe.js";

const INTERVAL_MS = 1_000;
/** `/proc/stat` counts in these. */
const TICK_NS = 10_000_000;

type Sample = ReturnType<typeof sample>;

/** `docker stats`: one document each second, or one alone. */
export function statsRoutes(engine: ContainerEngine, find: (name: string) => Instance): Route[] {
  return [
    {
      method: "GET",
      path: /^\/containers\/([A-Za-z0-9][A-Za-z0-9_.-]*)\/stats$/,
      handle: async (exchange) => await stats(engine, find(exchange.parameters[0] ?? ""), exchange),
    },
  ];
}

async function stats(engine: ContainerEngine, instance: Instance, { query, response }: Exchange): Promise<Answer> {
  const off = (name: string, otherwise: string) => ["0", "false"].includes(query.get(name) ?? otherwise);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  void instance.exited.then(() => gone.abort());
  response.writeHead(200, { "content-type": "application/json" });
  let previous: Sample | undefined;
  if (off("stream", "true")) {
    // Two, so that the share of the processor can be told.
    if (off("one-shot", "false")) {
      previous = sample(engine, instance);
      await pause(gone.signal);
    }
    response.end(JSON.stringify(document(engine, instance, sample(engine, instance), previous)));
    return { status: 200 };
  }
  while (!gone.signal.aborted) {
    const current = sample(engine, instance);
    await writeTo(response, `${JSON.stringify(document(engine, instance, current, previous))}\n`);
    previous = current;
    await pause(gone.signal);
  }
  response.end();
  return { status: 200 };
}

function sample(engine: ContainerEngine, { record }: Instance) {
  return { at: new Date().toISOString(), usage: readUsage(engine.parts.host.cgroups, record.id), hostNs: hostCpuNs() };
}

function document(engine: ContainerEngine, instance: Instance, current: Sample, previous: Sample | undefined) {
  const { usage, at } = current;
  return {
    name: `/${friendlyName(engine, instance)}`,
    id: instance.record.id,
    read: at,
    preread: previous?.at ?? "0001-01-01T00:00:00Z",
    num_procs: 0,
    cpu_stats: cpu(current),
    precpu_stats: previous === undefined ? {} : cpu(previous),
    memory_stats: {
      usage: usage.memoryBytes,
      limit: usage.memoryLimitBytes,
      // By either name: clients go by which one is there.
      stats: { inactive_file: usage.inactiveFileBytes, total_inactive_file: usage.inactiveFileBytes },
    },
    pids_stats: { current: usage.processes },
    networks: networks(instance),
    blkio_stats: {
      io_service_bytes_recursive: [
        { major: 0, minor: 0, op: "read", value: usage.readBytes },
        { major: 0, minor: 0, op: "write", value: usage.writtenBytes },
      ],
    },
    storage_stats: {},
  };
}

function cpu({ usage, hostNs }: Sample) {
  return {
    cpu_usage: { total_usage: usage.cpuNs, usage_in_usermode: usage.cpuUserNs, usage_in_kernelmode: usage.cpuSystemNs },
    system_cpu_usage: hostNs,
    online_cpus: cpus().length,
    throttling_data: { periods: 0, throttled_periods: usage.throttledPeriods, throttled_time: 0 },
  };
}

/** Time that all processors of the host have spent, in whatever. */
function hostCpuNs(): number {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  const spent = first.trim().split(/\s+/).slice(1, 9);
  return spent.reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_NS;
}

/** Interfaces of the container's network but its loopback. */
function networks({ record, live }: Instance) {
  const found: Record<string, Record<string, number>> = {};
  for (const line of live ? deviceLines(record.process.pid) : []) {
    const [name = "", rest = ""] = line.split(":");
    const counts = rest.trim().split(/\s+/).map(Number);
    if (name.trim() === "lo" || counts.length < 16) continue;
    const [
      rx_bytes = 0,
      rx_packets = 0,
      rx_errors = 0,
      rx_dropped = 0,
      ,
      ,
      ,
      ,
      tx_bytes = 0,
      tx_packets = 0,
      tx_errors = 0,
      tx_dropped = 0,
    ] = counts;
    found[name.trim()] = { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped };
  }
  return found;
}

function deviceLines(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/dev`, "utf8").split("\n").slice(2);
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH") || isErrno(error, "EINVAL")) return [];
    throw error;
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await sleep(INTERVAL_MS, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
