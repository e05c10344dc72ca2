import { fileURLToPath } from "node:url";
import { command } from "../lib/command.mjs";
import { firstByte } from "../lib/first-byte.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { processorTime } from "../lib/processor-time.mjs";
import { median, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";
import { loadGenerator } from "../lib/wrk.mjs";

export const summary = "our Container class beside the published one and a bare Durable Object, in one workerd";

const APP = fileURLToPath(new URL("../app/class/", import.meta.url));
const CLIENT = fileURLToPath(new URL("../lib/transfer-client.mjs", import.meta.url));
const NAME = "bench-class";
/** `bare` answers with what `ctx.container.getTcpPort().fetch()` gives: no class can be faster. `empty` has no container: what the rest costs. */
const CLASSES = ["longshore", "published", "bare", "empty"];
const WITH_CONTAINER = CLASSES.slice(0, 3);
const CONNECTIONS = 16;
const ROUNDS = 3;
const SECONDS = 2;
const WARM_UP_SECONDS = 1;
const TRANSFERS = {
  download: { kind: "download", mib: 200 },
  upload: { kind: "upload", mib: 200 },
  compressed: { kind: "compressed", mib: 50 },
  messages: { kind: "messages", window: 64, ms: 1_000 },
};
const ROWS = [
  ["requests/s, 16 at a time", "rps"],
  ["p50, ms", "p50"],
  ["workerd's processor time for a request, µs", "workerd"],
  ["engine's", "engine"],
  ["server's (the edge)", "server"],
  ["requests/s, one at a time", "rps1"],
  ["download, MiB/s", "download"],
  ["workerd's processor time for a MiB, µs", "downloadWorkerd"],
  ["upload, MiB/s", "upload"],
  ["download of compressed text, MiB/s", "compressed"],
  ["WebSocket messages/s, 64 on their way", "messages"],
];

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const load = await loadGenerator({ directory, log });
  const platform = await startPlatform({ directory, cleanup });
  await platform.longshore(["image", "seed", "node"]);
  log("Deploying bench/app/class …");
  await platform.deploy(APP);
  const target = { port: platform.edgePort, host: platform.hostOf(NAME) };
  for (const name of CLASSES) await answers(target, name);
  const processes = await platform.processes();
  const samples = new Map();
  const take = (name, values) => {
    for (const [key, value] of Object.entries(values)) {
      if (value !== undefined) samples.set(`${name} ${key}`, [...(samples.get(`${name} ${key}`) ?? []), value]);
    }
  };
  const requests = (name, connections, seconds) =>
    load({ url: `http://127.0.0.1:${target.port}/text?${name}`, hostHeader: target.host, connections, seconds });

  for (const name of CLASSES) await requests(name, CONNECTIONS, WARM_UP_SECONDS);
  for (let number = 1; number <= ROUNDS; number++) {
    for (const name of CLASSES) {
      const { outcome, used } = await watched(processes, () => requests(name, CONNECTIONS, SECONDS));
      const each = (ms) => (ms * 1000) / (outcome.rps * SECONDS);
      take(name, { rps: outcome.rps, p50: outcome.p50, ...mapValues(used, each) });
      take(name, { rps1: (await requests(name, 1, SECONDS)).rps });
    }
    for (const [what, transfer] of Object.entries(TRANSFERS)) {
      for (const name of WITH_CONTAINER) {
        const { outcome, used } = await watched(processes, () => client({ ...transfer, target: { ...target, query: `?${name}` } }));
        take(name, { [what]: outcome.mibPerSecond ?? outcome.messagesPerSecond });
        if (transfer.mib !== undefined) take(name, { [`${what}Workerd`]: (used.workerd * 1000) / transfer.mib });
      }
    }
    log(
      `round ${number}: ${WITH_CONTAINER.map((name) => `${name} ${samples.get(`${name} rps`).at(-1).toFixed(0)} requests/s`).join(", ")}`,
    );
  }
  return report(samples);
}

/** A class that asks a port over and over while it opens may fail its first request: that is not what is measured here. */
async function answers({ port, host }, name) {
  let last;
  for (let left = 3; left > 0; left--) {
    last = await firstByte({ port, hostHeader: host, path: `/text?${name}` });
    if (last.status === 200) return;
  }
  throw new Error(`${name} answers with ${last.status}:\n${last.head}`);
}

/** What `work` comes to, and the processor time that each part of the platform used meanwhile, in ms. */
async function watched(processes, work) {
  const before = await times(processes);
  const outcome = await work();
  const after = await times(processes);
  return { outcome, used: Object.fromEntries(Object.keys(after).map((kind) => [kind, after[kind] - before[kind]])) };
}

async function times(processes) {
  const of = (wanted) => processorTime(processes.filter(({ kind }) => kind === wanted).map(({ pid }) => pid));
  return { workerd: await of("workerd"), engine: await of("engine"), server: await of("server") };
}

async function client(transfer) {
  return JSON.parse(await command(process.execPath, [CLIENT, JSON.stringify(transfer)]));
}

function mapValues(values, change) {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}

function report(samples) {
  const value = (name, key) => (samples.has(`${name} ${key}`) ? median(samples.get(`${name} ${key}`)) : undefined);
  const share = (key) => value("longshore", key) / value("published", key);
  const rows = ROWS.map(([label, key]) => [label, ...CLASSES.map((name) => value(name, key) ?? "–"), share(key)]);
  const both = (key, name) => ({ [name]: round(value("longshore", key)), [`published_${name}`]: round(value("published", key)) });
  return {
    result: {
      ...both("rps", "rps"),
      ...both("download", "mib_s"),
      ...both("upload", "upload_mib_s"),
      ...both("compressed", "compressed_mib_s"),
      ...both("messages", "ws_messages_s"),
      ...both("p50", "p50_ms"),
      ...both("workerd", "workerd_us"),
      bare_rps: round(value("bare", "rps")),
      bare_mib_s: round(value("bare", "download")),
      bare_ws_messages_s: round(value("bare", "messages")),
      bare_workerd_us: round(value("bare", "workerd")),
      empty_rps: round(value("empty", "rps")),
      rps_share: round(share("rps")),
      mib_s_share: round(share("download")),
    },
    text: `${table([["median of rounds", ...CLASSES, "longshore/published"], ...rows])}\n\n${ROUNDS} rounds in turns. "bare" is a Durable Object that passes on what the runtime gives it, "empty" one without a container.`,
  };
}
