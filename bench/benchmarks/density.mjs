import { coldPageOnBoth, DOCKER_PAGE, removePage, requestPage } from "../lib/cold-page.mjs";
import { kernelMemory, memoryOf } from "../lib/memory.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "memory that 100 idle containers cost beside their own programs, beside docker";

const COUNT = 100;
/** Started and removed before it counts: code compiled, heaps grown, caches filled. */
const WARM_UP = 20;
/** Garbage is collected, and the kernel frees what it frees late. */
const SETTLE_MS = 5_000;
const MIB = 1024 * 1024;

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  // Without sandboxes made ahead: a hundred starts in a row would be a burst that as many wait for, for ten minutes.
  const platform = await startPlatform({ directory, cleanup, flags: ["--pool", "0"] });
  const docker = await coldPageOnBoth(platform, { directory, cleanup, log });
  const paths = (name, count) => Array.from({ length: count }, (_, index) => `/${name}-${index}`);
  let ids = [];
  const sides = {
    longshore: {
      start: async (name, count) => {
        for (const path of paths(name, count)) {
          const { status } = await requestPage(platform, path);
          if (status !== 200) throw new Error(`${path} was answered with ${status}.`);
        }
      },
      remove: async (name, count) => {
        for (const path of paths(name, count)) await removePage(platform, path);
      },
      helpers: () => helperMemory(platform),
    },
    docker: {
      start: async (_, count) => {
        ids = (await docker.do("runMany", { ...DOCKER_PAGE, count })).map(({ id }) => id);
      },
      remove: () => docker.do("removeMany", { ids }),
      helpers: () => docker.do("memory", { applications: ["httpd", "busybox"] }),
    },
  };

  const costs = {};
  for (const [name, { start, remove, helpers }] of Object.entries(sides)) {
    await start("warm", WARM_UP);
    await remove("warm", WARM_UP);
    const before = await look(helpers);
    await start("idle", COUNT);
    log(`${name}: ${COUNT} containers are up.`);
    const during = await look(helpers);
    await remove("idle", COUNT);
    const after = await look(helpers);
    // The kernel's memory is the whole machine's. What else goes on there is in both differences, with opposite signs.
    costs[name] = { helpers: perContainer(before.helpers, during.helpers), kernel: kernelCost(before, during, after) };
    log(`${name}: ${(total(costs[name].helpers) + total(costs[name].kernel)).toFixed(2)} MiB for each.`);
  }
  return report(costs, docker.facts);
}

async function helperMemory(platform) {
  const kinds = {};
  for (const { pid, kind } of await platform.processes()) kinds[kind] = (kinds[kind] ?? 0) + (await memoryOf(pid));
  return kinds;
}

async function look(helpers) {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return { kernel: await kernelMemory(), helpers: await helpers() };
}

/** MiB for each container, by kind. */
function perContainer(from, to) {
  const kinds = new Set([...Object.keys(from), ...Object.keys(to)]);
  return Object.fromEntries([...kinds].map((kind) => [kind, ((to[kind] ?? 0) - (from[kind] ?? 0)) / COUNT / MIB]));
}

function kernelCost(before, during, after) {
  const came = perContainer(before.kernel, during.kernel);
  const went = perContainer(after.kernel, during.kernel);
  return Object.fromEntries(Object.keys(came).map((kind) => [kind, (came[kind] + went[kind]) / 2]));
}

function total(kinds) {
  return Object.values(kinds).reduce((sum, value) => sum + value, 0);
}

function report(costs, facts) {
  const sum = ({ helpers, kernel }) => total(helpers) + total(kernel);
  const result = { mib_per_idle: round(sum(costs.longshore)), docker_mib_per_idle: round(sum(costs.docker)) };
  const rows = [];
  for (const [name, { helpers, kernel }] of Object.entries(costs)) {
    result[`${name}_parts`] = Object.fromEntries(
      Object.entries({ ...helpers, ...kernel })
        .filter(([, value]) => Math.abs(value) >= 0.005)
        .map(([kind, value]) => [kind, round(value)]),
    );
    const kinds = Object.entries(helpers).map(([kind, value]) => [`${name}: ${kind}`, value]);
    rows.push(...kinds, ...Object.entries(kernel).map(([kind, value]) => [`${name}: kernel, ${kind}`, value]), [name, sum(costs[name])]);
  }
  return {
    result,
    text: [
      table([["MiB for each idle container", ""], ...rows]),
      "",
      `Longshore's is ${(result.mib_per_idle / result.docker_mib_per_idle).toFixed(2)} of docker's. ${COUNT} containers; neither the program in the container nor a pool of waiting sandboxes is counted.`,
      `docker ${facts.version}: ${facts.network}, ${facts.storage}, ${facts.runtime}.`,
    ].join("\n"),
  };
}
