import { join } from "node:path";
import { COLD_APP, coldPageOnBoth, DOCKER_PAGE, removePage, requestPage } from "../lib/cold-page.mjs";
import { callRows, EngineCalls } from "../lib/engine-calls.mjs";
import { bareStart } from "../lib/floor.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { median, percentile, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "never-used ids to the first byte, beside docker and a bare spawn";

const ROUNDS = 30;
/** Rounds before it counts: every side's code is compiled, every cache filled. */
const WARM_UP = 5;
/** What a removed container still causes (its own removal, the pool's refill) must not fall into the next measurement. */
const SETTLE_MS = 400;

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const calls = new EngineCalls(join(directory, "engine-calls"));
  const platform = await startPlatform({ directory, cleanup, env: calls.environment });
  const docker = await coldPageOnBoth(platform, { directory, cleanup, log });

  const sides = {
    longshore: (round) => longshoreStart(platform, `/cold-${round}`),
    docker: () => docker.do("coldStart", DOCKER_PAGE),
    floor: () =>
      bareStart({
        program: "busybox",
        args: (port) => ["httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", join(COLD_APP, "www")],
        path: "/index.html",
      }),
  };
  const samples = { longshore: [], docker: [], floor: [] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // The order changes from round to round: no side is always measured in another's wake.
    const order = Object.keys(sides).map((_, index, names) => names[(index + round + WARM_UP) % names.length]);
    for (const name of order) {
      const sample = await sides[name](round);
      if (sample.status !== 200) throw new Error(`${name}: round ${round} was answered with ${sample.status}.`);
      if (round >= 0) samples[name].push(sample);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    }
    if (round >= 0)
      log(
        `round ${round + 1}: ${Object.entries(samples)
          .map(([name, list]) => `${name} ${list.at(-1).ms.toFixed(1)} ms`)
          .join(", ")}`,
      );
  }
  return report(samples, await calls.read(), docker.facts);
}

async function longshoreStart(platform, path) {
  const sample = await requestPage(platform, path);
  await removePage(platform, path);
  return { ...sample, workerAt: Number(/^x-worker-entered-at: (\d+)/im.exec(sample.head)?.[1]) };
}

function report(samples, calls, facts) {
  const ms = (name) => samples[name].map((sample) => sample.ms);
  const phases = phasesOf(samples.longshore, calls);
  const result = {
    p50_ms: round(percentile(ms("longshore"), 0.5)),
    p90_ms: round(percentile(ms("longshore"), 0.9)),
    p99_ms: round(percentile(ms("longshore"), 0.99)),
    docker_p50_ms: round(percentile(ms("docker"), 0.5)),
    floor_p50_ms: round(percentile(ms("floor"), 0.5)),
    phases,
  };
  const row = (name) => [
    name,
    ...[0.5, 0.9, 0.99].map((share) => percentile(ms(name), share)),
    percentile(ms(name), 0.5) / percentile(ms("floor"), 0.5),
  ];
  const dockerPhase = (key) => median(samples.docker.map((sample) => sample[key])).toFixed(1);
  return {
    result,
    text: [
      table([["cold start, ms", "p50", "p90", "p99", "× floor"], row("longshore"), row("docker"), row("floor")]),
      "",
      table([["phase (median)", "ms"], ...Object.entries(phases)]),
      "",
      table([["call of the Docker API (medians)", "arrives at, ms", "takes, ms"], ...callRows(samples.longshore, calls)]),
      "",
      `docker ${facts.version}: create ${dockerPhase("createMs")}, start ${dockerPhase("startMs")}, inspect and poll ${dockerPhase("readyMs")} ms; ${facts.network}, ${facts.storage}, ${facts.runtime}.`,
      `Longshore's p50 is 1/${(result.docker_p50_ms / result.p50_ms).toFixed(1)} of docker's. ${ROUNDS} rounds: p99 is the slowest.`,
    ].join("\n"),
  };
}

/** Where the time goes, from the client's clock, the Worker's and the engine's: each phase ends where the next begins, so they add up. */
function phasesOf(samples, calls) {
  const split = samples.map(({ from, at, workerAt }) => {
    const during = calls.filter((call) => call.from >= from && call.from <= at);
    const create = during.find(({ call }) => /^POST \/containers\/create\?name=[^&]*[0-9a-f]{64}$/.test(call));
    const start = during.find(({ call }) => /^POST \/containers\/[^/]*[0-9a-f]{64}\/start$/.test(call));
    // The Worker's clock has whole milliseconds.
    const entered = Math.max(from, Math.min(workerAt + 0.5, create.from));
    return { edge_ms: entered - from, worker_do_ms: create.from - entered, start_ms: start.to - create.from, app_ready_ms: at - start.to };
  });
  return Object.fromEntries(Object.keys(split[0]).map((phase) => [phase, round(median(split.map((parts) => parts[phase])))]));
}
