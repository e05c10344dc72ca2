import { fileURLToPath } from "node:url";
import { firstByte } from "../lib/first-byte.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { median, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";
import { loadGenerator } from "../lib/wrk.mjs";

export const summary = "requests per second through the whole path, beside the container alone and the published class";

const APP = fileURLToPath(new URL("../app/steady/", import.meta.url));
const CONCURRENCIES = [1, 16];
const ROUNDS = 3;
const SECONDS = 5;
const WARM_UP_SECONDS = 3;
const PATH = "/container/bench";

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const load = await loadGenerator({ directory, log });
  const platform = await startPlatform({ directory, cleanup });
  await platform.longshore(["image", "seed", "node"]);
  log("Deploying examples/hello, with our class and with the published one …");
  await platform.deploy(APP);
  await platform.deploy(APP, "--config", "wrangler.published.jsonc");

  const through = (name) => ({ url: `http://127.0.0.1:${platform.edgePort}${PATH}`, hostHeader: platform.hostOf(name) });
  await answers(platform, "bench-steady");
  // The very process that serves requests from outside: the load is made on its own loopback.
  const [{ pid }] = await platform.containerProcesses();
  await answers(platform, "bench-steady-published");
  const targets = {
    longshore: through("bench-steady"),
    published: through("bench-steady-published"),
    direct: { url: `http://127.0.0.1:8080${PATH}`, networkOf: pid },
  };
  const outcomes = new Map();
  for (const target of Object.values(targets)) await load({ ...target, connections: Math.max(...CONCURRENCIES), seconds: WARM_UP_SECONDS });
  for (let number = 1; number <= ROUNDS; number++) {
    for (const connections of CONCURRENCIES) {
      for (const [name, target] of Object.entries(targets)) {
        const outcome = await load({ ...target, connections, seconds: SECONDS });
        const key = `${name} c${connections}`;
        outcomes.set(key, [...(outcomes.get(key) ?? []), outcome]);
        log(`round ${number}, ${connections} at a time, ${name}: ${outcome.rps.toFixed(0)} requests/s, p50 ${outcome.p50.toFixed(2)} ms`);
      }
    }
  }
  return report(outcomes);
}

async function answers(platform, name) {
  const { status, head } = await firstByte({ port: platform.edgePort, hostHeader: platform.hostOf(name), path: PATH });
  if (status !== 200) throw new Error(`${name} answers with ${status}:\n${head}`);
}

function report(outcomes) {
  const middle = (name, connections, key) => median(outcomes.get(`${name} c${connections}`).map((outcome) => outcome[key]));
  const result = {};
  const rows = [["median of rounds", "requests/s", "p50 ms", "p99 ms"]];
  for (const connections of CONCURRENCIES) {
    for (const name of ["longshore", "published", "direct"]) {
      const values = ["rps", "p50", "p99"].map((key) => middle(name, connections, key));
      rows.push([`${name}, ${connections} at a time`, ...values]);
    }
    result[`c${connections}`] = {
      rps: round(middle("longshore", connections, "rps")),
      p50_ms: round(middle("longshore", connections, "p50")),
      p99_ms: round(middle("longshore", connections, "p99")),
      direct_rps: round(middle("direct", connections, "rps")),
      published_rps: round(middle("published", connections, "rps")),
    };
  }
  return {
    result,
    text: `${table(rows)}\n\n${ROUNDS} rounds of ${SECONDS} s each; "direct" is the load made inside the container's own network.`,
  };
}
