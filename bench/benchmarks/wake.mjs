import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Docker } from "../lib/docker.mjs";
import { firstByte, now } from "../lib/first-byte.mjs";
import { saveImage } from "../lib/image-archive.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { percentile, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "a frozen container to the first byte, with its memory taken back and without, beside a warm request and docker";

const APP = fileURLToPath(new URL("../app/steady/", import.meta.url));
const NAME = "bench-steady";
const PATH = "/container/bench";
const ROUNDS = 60;
const WARM_UP = 5;
/** How long it sleeps: what putting it to sleep costs must not fall into the measurement. */
const SLEEP_MS = 100;
/** The limits of the instance type in bench/app/steady/wrangler.jsonc (standard-3), for docker. */
const LIMITS = { memoryBytes: 8192 * 1024 * 1024, nanoCpus: 2e9, pids: 4096 };

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const platform = await startPlatform({ directory, cleanup });
  await platform.longshore(["image", "seed", "node"]);
  log("Deploying examples/hello …");
  await platform.deploy(APP);
  const docker = await Docker.start({ directory, cleanup, log });
  const archive = join(directory, "image.tar");
  await saveImage(platform, "bench-steady-mycontainer", archive, NAME);
  await docker.do("load", { archive });

  await answer(platform);
  const [{ id }] = await platform.containerProcesses();
  const [inDocker] = await docker.do("runMany", { image: NAME, port: 8080, path: PATH, limits: LIMITS, count: 1 });
  const wake = async (reclaim) => {
    await platform.engine.freezeInstance(id, reclaim);
    await pause(SLEEP_MS);
    return await answer(platform);
  };

  const samples = { warm: [], frozen: [], reclaimed: [], "docker warm": [], "docker paused": [] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // As long a pause before it as the others have: what is warm is the container, not the processors' caches.
    await pause(SLEEP_MS);
    const warm = await answer(platform);
    const frozen = await wake(false);
    const reclaimed = await wake(true);
    await answer(platform);
    await pause(SLEEP_MS);
    const { warmMs, ms } = await docker.do("wake", { ...inDocker, port: 8080, path: PATH, pauseMs: SLEEP_MS });
    if (round < 0) continue;
    const times = { warm, frozen, reclaimed, "docker warm": warmMs, "docker paused": ms };
    for (const [name, list] of Object.entries(samples)) list.push(times[name]);
  }
  await docker.do("removeMany", { ids: [inDocker.id] });
  return report(samples, docker.facts);
}

/** One request on a connection of its own: milliseconds to the first byte. */
async function answer(platform) {
  const from = now();
  const { at, status, head } = await firstByte({ port: platform.edgePort, hostHeader: platform.hostOf(NAME), path: PATH });
  if (status !== 200) throw new Error(`The container answers with ${status}:\n${head}`);
  return at - from;
}

function report(samples, facts) {
  const p50 = (name) => percentile(samples[name], 0.5);
  const result = {
    p50_ms: round(p50("frozen")),
    p99_ms: round(percentile(samples.frozen, 0.99)),
    reclaimed_p50_ms: round(p50("reclaimed")),
    warm_p50_ms: round(p50("warm")),
    docker_p50_ms: round(p50("docker paused")),
    docker_warm_p50_ms: round(p50("docker warm")),
  };
  const rows = Object.keys(samples).map((name) => [name, ...[0.5, 0.9, 0.99].map((share) => percentile(samples[name], share))]);
  return {
    result,
    text: [
      table([["ms to first byte", "p50", "p90", "p99"], ...rows]),
      "",
      `Waking costs ${(result.p50_ms - result.warm_p50_ms).toFixed(2)} ms more than a warm request, with the memory taken back ${(result.reclaimed_p50_ms - result.warm_p50_ms).toFixed(2)} ms more. ${ROUNDS} rounds.`,
      `docker ${facts.version}: from the call of unpause, past edge, Worker and Durable Object, which Longshore's side goes through.`,
    ].join("\n"),
  };
}

async function pause(ms) {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
