import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { appDirectory } from "../../packages/testkit/dist/app-directory.js";
import { COLD_APP } from "../lib/cold-page.mjs";
import { now } from "../lib/first-byte.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { median, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "running containers moved to a new image in one step, until each has answered from it";

const NAME = "bench-rollout";
const COUNT = 30;
const ROUNDS = 3;
const DEADLINE_MS = 60_000;
const CONTAINER = { class_name: "Page", image: "./Dockerfile", max_instances: COUNT, instance_type: "standard-2" };

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  // What is measured is the move, not how long its result is watched.
  const platform = await startPlatform({ directory, cleanup, flags: ["--rollout-watch", "0"] });
  await platform.longshore(["image", "seed", "busybox"]);
  const app = appDirectory({ files: await files() });
  cleanup.defer(() => app[Symbol.dispose]());
  log("Deploying …");
  await platform.deploy(app.path);
  const paths = Array.from({ length: COUNT }, (_, index) => `/${index}`);
  await Promise.all(paths.map((path) => platform.get(NAME, path)));
  const [{ id: application }] = await platform.api("GET", "containers/applications");

  const samples = [];
  for (let number = 1; number <= ROUNDS; number++) {
    app.write("www/index.html", `round ${number}\n`);
    await platform.deploy(app.path);
    const rollouts = `containers/applications/${application}/rollouts`;
    const [{ id, status }] = await platform.api("GET", rollouts);
    if (status !== "pending") throw new Error(`The rollout is ${status} before it was told to begin.`);
    const from = now();
    await platform.api("POST", `${rollouts}/${id}`, { action: "next" });
    await Promise.all(paths.map((path) => until(platform, path, `round ${number}`)));
    const seconds = (now() - from) / 1000;
    samples.push(seconds);
    log(`round ${number}: ${COUNT} containers in ${seconds.toFixed(2)} s`);
  }
  const seconds = median(samples);
  const result = { instances_per_second: round(COUNT / seconds), seconds: round(seconds), instances: COUNT };
  return {
    result,
    text: [
      table([
        ["one step", "containers", "s", "containers/s"],
        ["median of rounds", COUNT, seconds, COUNT / seconds],
      ]),
      "",
      `${ROUNDS} rounds: from "next" until each container has answered a request with the new image's page, all asked at once and again at once.`,
    ].join("\n"),
  };
}

/** Resolves when the container of a path answers with this. Every answer has to be a good one. */
async function until(platform, path, page) {
  const deadline = now() + DEADLINE_MS;
  while (!(await platform.get(NAME, path)).includes(page)) {
    if (now() > deadline) throw new Error(`The container of ${path} is not on the new image.`);
  }
}

/** The application of the cold start, with a rollout that waits to be told. */
async function files() {
  const config = {
    name: NAME,
    main: "src/index.ts",
    compatibility_date: "2026-04-01",
    containers: [{ ...CONTAINER, rollout_kind: "full_manual", rollout_step_percentage: 100 }],
    durable_objects: { bindings: [{ name: "PAGE", class_name: "Page" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Page"] }],
  };
  const copied = ["src/index.ts", "Dockerfile", "www/index.html"];
  const contents = await Promise.all(copied.map((file) => readFile(join(COLD_APP, file), "utf8")));
  return { "wrangler.jsonc": JSON.stringify(config), ...Object.fromEntries(copied.map((file, index) => [file, contents[index]])) };
}
