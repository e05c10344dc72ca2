import { fileURLToPath } from "node:url";
import { command } from "../lib/command.mjs";
import { firstByte } from "../lib/first-byte.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { median, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "200 MB bodies both ways and WebSocket messages through the whole path, beside the container alone";

const APP = fileURLToPath(new URL("../app/transfer/", import.meta.url));
const CLIENT = fileURLToPath(new URL("../lib/transfer-client.mjs", import.meta.url));
const NAME = "bench-transfer";
const ROUNDS = 5;
const MIB = 200;
const MESSAGES_MS = 2_000;
const TRANSFERS = {
  download: { kind: "download", mib: MIB },
  upload: { kind: "upload", mib: MIB },
  messages: { kind: "messages", window: 64, ms: MESSAGES_MS },
  "round trips": { kind: "messages", window: 1, ms: MESSAGES_MS },
};
const WARM_UP = { kind: "download", mib: MIB };

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const platform = await startPlatform({ directory, cleanup });
  await platform.longshore(["image", "seed", "node"]);
  log("Deploying bench/app/transfer …");
  await platform.deploy(APP);
  const host = platform.hostOf(NAME);
  const { status, head } = await firstByte({ port: platform.edgePort, hostHeader: host, path: "/1" });
  if (status !== 200) throw new Error(`The container answers with ${status}:\n${head}`);
  const [{ pid }] = await platform.containerProcesses();
  const sides = {
    longshore: (transfer) => client([], { ...transfer, target: { port: platform.edgePort, host } }),
    // The very process that serves requests from outside: this client is in its network.
    direct: (transfer) => client(["nsenter", "-t", String(pid), "-n", "--"], { ...transfer, target: { port: 8080, host: "direct" } }),
  };

  for (const side of Object.values(sides)) await side(WARM_UP);
  const samples = new Map();
  for (let number = 1; number <= ROUNDS; number++) {
    const shown = [];
    for (const [what, transfer] of Object.entries(TRANSFERS)) {
      for (const [side, measure] of Object.entries(sides)) {
        const { mibPerSecond, messagesPerSecond } = await measure(transfer);
        const value = mibPerSecond ?? messagesPerSecond;
        samples.set(`${side} ${what}`, [...(samples.get(`${side} ${what}`) ?? []), value]);
        shown.push(`${what} ${side} ${value.toFixed(0)}`);
      }
    }
    log(`round ${number}: ${shown.join(", ")}`);
  }
  return report(samples);
}

async function client(enter, transfer) {
  const [program, ...args] = [...enter, process.execPath, CLIENT, JSON.stringify(transfer)];
  return JSON.parse(await command(program, args));
}

function report(samples) {
  const value = (side, what) => median(samples.get(`${side} ${what}`));
  const result = {
    download_mib_s: round(value("longshore", "download")),
    upload_mib_s: round(value("longshore", "upload")),
    direct_mib_s: round(value("direct", "download")),
    ws_messages_s: round(value("longshore", "messages")),
    direct_upload_mib_s: round(value("direct", "upload")),
    direct_ws_messages_s: round(value("direct", "messages")),
    ws_round_trips_s: round(value("longshore", "round trips")),
    direct_ws_round_trips_s: round(value("direct", "round trips")),
  };
  const rows = [
    ["download, MiB/s", "download"],
    ["upload, MiB/s", "upload"],
    ["WebSocket messages/s, 64 on their way", "messages"],
    ["WebSocket messages/s, 1 at a time", "round trips"],
  ].map(([label, what]) => {
    const [longshore, direct] = [value("longshore", what), value("direct", what)];
    return [label, longshore, direct, longshore / direct];
  });
  return {
    result,
    text: `${table([["median of rounds", "longshore", "direct", "share"], ...rows])}\n\n${ROUNDS} rounds, one connection, bodies of ${MIB} MiB, messages of 64 bytes. "direct" is the same client inside the container's own network.`,
  };
}
