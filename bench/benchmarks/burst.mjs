import { availableParallelism } from "node:os";
import { coldPageOnBoth, DOCKER_PAGE, removePage, requestPage } from "../lib/cold-page.mjs";
import { now } from "../lib/first-byte.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { median, percentile, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "50 never-used ids at once until all have answered, beside docker";

const COUNT = 50;
const ROUNDS = 3;
/** What removed containers still cause, and the refill of a pool, must not fall into docker's turn. */
const SETTLE_MS = 6_000;

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const platform = await startPlatform({ directory, cleanup });
  const docker = await coldPageOnBoth(platform, { directory, cleanup, log });
  // Code compiled, caches filled, on both sides.
  await longshoreBurst(platform, "warm-up", 5);
  await docker.do("burst", { ...DOCKER_PAGE, count: 5 });

  const samples = { longshore: [], docker: [] };
  for (let number = 1; number <= ROUNDS; number++) {
    await settle();
    samples.longshore.push(await longshoreBurst(platform, `round-${number}`, COUNT));
    await settle();
    samples.docker.push(await docker.do("burst", { ...DOCKER_PAGE, count: COUNT }));
    const shown = Object.entries(samples).map(([name, list]) => {
      const { ms, failed } = list.at(-1);
      return `${name} ${ms.toFixed(0)} ms${failed > 0 ? ` (${failed} failed)` : ""}`;
    });
    log(`round ${number}: ${shown.join(", ")}`);
  }
  return report(samples, docker.facts);
}

/** As many new ids as `count` at once; `ms` until the last has answered. Then they are removed. */
async function longshoreBurst(platform, name, count) {
  const paths = Array.from({ length: count }, (_, index) => `/${name}-${index}`);
  const from = now();
  const outcomes = await Promise.allSettled(paths.map((path) => requestPage(platform, path)));
  const ms = now() - from;
  await Promise.all(paths.map((path) => removePage(platform, path)));
  const good = outcomes.filter(({ status, value }) => status === "fulfilled" && value.status === 200);
  return { ms, each: good.map(({ value }) => value.ms), failed: count - good.length };
}

function report(samples, facts) {
  const cores = availableParallelism();
  const perCore = ({ ms, each }) => (each.length / ms) * (1000 / cores);
  const rate = (name) => median(samples[name].map(perCore));
  const each = (name) => samples[name].flatMap((sample) => sample.each);
  const result = {
    per_second_per_core: round(rate("longshore")),
    docker_per_second_per_core: round(rate("docker")),
    p99_ms: round(percentile(each("longshore"), 0.99)),
    failed: samples.longshore.reduce((sum, { failed }) => sum + failed, 0),
    first_per_second_per_core: round(perCore(samples.longshore[0])),
    p50_ms: round(percentile(each("longshore"), 0.5)),
    docker_p50_ms: round(percentile(each("docker"), 0.5)),
    docker_p99_ms: round(percentile(each("docker"), 0.99)),
    docker_failed: samples.docker.reduce((sum, { failed }) => sum + failed, 0),
    cores,
  };
  const row = (name) => [
    name,
    median(samples[name].map(({ ms }) => ms)),
    rate(name),
    percentile(each(name), 0.5),
    percentile(each(name), 0.99),
    String(samples[name].reduce((sum, { failed }) => sum + failed, 0)),
  ];
  return {
    result,
    text: [
      table([[`${COUNT} at once`, "all answered, ms", "starts/s/core", "p50 ms", "p99 ms", "failed"], row("longshore"), row("docker")]),
      "",
      `${(result.per_second_per_core / result.docker_per_second_per_core).toFixed(1)} times docker's; medians of ${ROUNDS} rounds, ${cores} cores. In the first round, where nothing had announced the demand: ${result.first_per_second_per_core} starts/s/core.`,
      `docker ${facts.version}: ${facts.network}, ${facts.storage}, ${facts.runtime}.`,
    ].join("\n"),
  };
}

async function settle() {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
