import { spawn } from "node:child_process";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { end } from "../lib/command.mjs";
import { firstByte } from "../lib/first-byte.mjs";
import { freePort } from "../lib/floor.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { processorTime } from "../lib/processor-time.mjs";
import { median, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";
import { loadGenerator } from "../lib/wrk.mjs";

export const summary = "a Worker's requests through the edge, beside the same Worker on a workerd of its own";

const APP = fileURLToPath(new URL("../app/edge/", import.meta.url));
const NAME = "bench-edge";
const CONCURRENCIES = [1, 16];
const ROUNDS = 3;
const SECONDS = 4;
const WARM_UP_SECONDS = 3;

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const load = await loadGenerator({ directory, log });
  const platform = await startPlatform({ directory, cleanup });
  await platform.deploy(APP);
  const hostHeader = platform.hostOf(NAME);
  const { status, head } = await firstByte({ port: platform.edgePort, hostHeader, path: "/" });
  if (status !== 200) throw new Error(`The Worker answers with ${status}:\n${head}`);
  const processes = await platform.processes();
  const pidOf = (wanted) => processes.find(({ kind }) => kind === wanted).pid;
  const direct = await directWorker(join(platform.data, "bin/workerd"), { directory, cleanup });
  const sides = {
    edge: { url: `http://127.0.0.1:${platform.edgePort}/`, hostHeader, pids: { edge: pidOf("server"), workerd: pidOf("workerd") } },
    direct: { url: `http://127.0.0.1:${direct.port}/`, hostHeader, pids: { workerd: direct.pid } },
  };

  for (const side of Object.values(sides)) await load({ ...side, connections: 16, seconds: WARM_UP_SECONDS });
  const samples = new Map();
  for (let number = 1; number <= ROUNDS; number++) {
    for (const connections of CONCURRENCIES) {
      for (const [name, side] of Object.entries(sides)) {
        const sample = await measured(load, side, connections);
        samples.set(`${name} ${connections}`, [...(samples.get(`${name} ${connections}`) ?? []), sample]);
        log(`round ${number}, ${connections} at a time, ${name}: ${sample.rps.toFixed(0)} requests/s, p50 ${sample.p50.toFixed(3)} ms`);
      }
    }
  }
  return report(samples);
}

/** The same module, as a Worker on a TCP port, without the edge: a load generator cannot call a unix socket. */
async function directWorker(workerd, { directory, cleanup }) {
  const port = await freePort();
  const file = join(directory, "direct.capnp");
  // Embedded files are found beside the configuration.
  await copyFile(join(APP, "index.js"), join(directory, "direct.js"));
  await writeFile(
    file,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "index.js", esModule = embed "direct.js")], compatibilityDate = "2026-04-01"))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", service = "main")]);
`,
  );
  const child = spawn("setpriv", ["--pdeathsig", "TERM", workerd, "serve", file], { stdio: ["ignore", 2, 2] });
  cleanup.defer(() => end(child));
  for (;;) {
    const ready = await firstByte({ port, hostHeader: "direct", path: "/" }).catch(() => undefined);
    if (ready?.status === 200) return { port, pid: child.pid };
    if (child.exitCode !== null) throw new Error(`workerd ended with ${child.exitCode}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One load, with the processor time in µs that each process used for each request. */
async function measured(load, { pids, ...target }, connections) {
  const before = await cpuOf(pids);
  const outcome = await load({ ...target, connections, seconds: SECONDS });
  const after = await cpuOf(pids);
  const requests = outcome.rps * SECONDS;
  const cpu = Object.fromEntries(Object.keys(pids).map((name) => [`${name}_us`, ((after[name] - before[name]) * 1e3) / requests]));
  return { ...outcome, ...cpu };
}

/** Processor time that each process has used so far, in ms. */
async function cpuOf(pids) {
  return Object.fromEntries(await Promise.all(Object.entries(pids).map(async ([name, pid]) => [name, await processorTime([pid])])));
}

function report(samples) {
  const middle = (name, connections, key) => median(samples.get(`${name} ${connections}`).map((sample) => sample[key]));
  const most = Math.max(...CONCURRENCIES);
  const rows = [["median of rounds", "requests/s", "p50 ms", "p99 ms", "edge µs", "workerd µs"]];
  for (const connections of CONCURRENCIES) {
    for (const name of ["edge", "direct"]) {
      const cells = ["rps", "p50", "p99", ...(name === "edge" ? ["edge_us"] : []), "workerd_us"].map((key) =>
        middle(name, connections, key),
      );
      if (name === "direct") cells.splice(3, 0, "");
      rows.push([`${name}, ${connections} at a time`, ...cells]);
    }
  }
  const result = {
    rps_per_core: round(1e6 / middle("edge", most, "edge_us")),
    added_p50_ms: round(middle("edge", 1, "p50") - middle("direct", 1, "p50")),
    direct_rps_per_core: round(1e6 / middle("direct", most, "workerd_us")),
    rps: round(middle("edge", most, "rps")),
    direct_rps: round(middle("direct", most, "rps")),
    edge_cpu_us: round(middle("edge", most, "edge_us")),
    workerd_cpu_us: round(middle("edge", most, "workerd_us")),
    direct_workerd_cpu_us: round(middle("direct", most, "workerd_us")),
  };
  return { result, text: `${table(rows)}\n\nµs: processor time of the process for each request.` };
}
