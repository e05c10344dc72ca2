import { appDirectory } from "../../packages/testkit/dist/app-directory.js";
import { now } from "../lib/first-byte.mjs";
import { Load } from "../lib/load.mjs";
import { LongLived } from "../lib/long-lived.mjs";
import { startPlatform } from "../lib/platform.mjs";
import { ReceivedBytes } from "../lib/received-bytes.mjs";
import { median, percentile, round } from "../lib/statistics.mjs";
import { table } from "../lib/table.mjs";

export const summary = "wrangler deploy: seconds and bytes sent; requests that fail or wait while one goes on";

const APP = "hello";
const ROUNDS = 3;
const CLIENTS = 8;
const CONTAINERS = ["a", "b", "c", "d"];
/** Load before a deploy, to know what is usual, and after it. */
const AROUND_MS = 2_000;
const DRAIN_SECONDS = 3;
/** Long requests end by themselves within the drain deadline, so that none need be cut. */
const LONG_SECONDS = 2;
const ROLLOUT_DEADLINE_MS = 60_000;

/** @param {import("../run.mjs").Context} context */
export async function run({ directory, cleanup, log }) {
  const received = new ReceivedBytes(`${directory}/received.json`);
  const platform = await startPlatform({ directory, cleanup, env: received.environment, flags: ["--drain", String(DRAIN_SECONDS)] });
  await platform.longshore(["image", "seed", "node"]);
  const app = appDirectory({ example: APP });
  cleanup.defer(() => app[Symbol.dispose]());
  app.replace("wrangler.jsonc", '"SLEEP_AFTER": "10s"', '"SLEEP_AFTER": "10m"');
  const bench = new Deploys(platform, app, received);
  log("The first deploy …");
  const first = await bench.deploy();

  const quiet = {};
  for (const kind of ["nothing", "code", "layer"]) {
    quiet[kind] = [];
    for (let number = 1; number <= ROUNDS; number++) {
      bench.change(kind);
      quiet[kind].push(await bench.deploy());
      const { seconds, bytes } = quiet[kind].at(-1);
      log(`${kind} changed: ${seconds.toFixed(1)} s, ${bytes} bytes`);
    }
  }
  const loaded = {};
  for (const kind of ["code", "layer"]) {
    loaded[kind] = [];
    for (let number = 1; number <= ROUNDS; number++) {
      loaded[kind].push(await bench.deployUnderLoad(kind));
      const { requests, failed, usualMs, maxMs, cut } = loaded[kind].at(-1);
      log(
        `under load, ${kind} changed: ${requests} requests, ${failed.length} failed, usually ${usualMs.toFixed(0)} ms, at most ${maxMs.toFixed(0)} ms, ${cut} cut`,
      );
      for (const problem of failed.slice(0, 5)) log(`  ${problem}`);
    }
  }
  return report(first, quiet, loaded);
}

/** The application, one change after the other. */
class Deploys {
  #platform;
  #app;
  #received;
  #changes = 0;
  #image = "initial";

  constructor(platform, app, received) {
    this.#platform = platform;
    this.#app = app;
    this.#received = received;
    app.write("src/change.ts", 'export const CHANGE = "initial";\n');
    app.replace("src/index.ts", "const ROUTES = `", 'import { CHANGE } from "./change.js";\n\nconst ROUTES = CHANGE + `\n');
  }

  /** Changes the Worker's code, or a file of the image's last layer. */
  change(kind) {
    const next = `change-${++this.#changes}`;
    if (kind === "code") this.#app.write("src/change.ts", `export const CHANGE = "${next}";\n`);
    if (kind !== "layer") return;
    const before = this.#image === "initial" ? "pid: process.pid," : `pid: process.pid, image: "${this.#image}",`;
    this.#app.replace("container/server.js", before, `pid: process.pid, image: "${next}",`);
    this.#image = next;
  }

  async deploy() {
    const before = await this.#received.on(this.#ports);
    const from = now();
    await this.#platform.deploy(this.#app.path);
    return { seconds: (now() - from) / 1000, bytes: (await this.#received.on(this.#ports)) - before };
  }

  async deployUnderLoad(kind) {
    const place = { port: this.#platform.edgePort, host: this.#platform.hostOf(APP) };
    const load = new Load({ ...place, clients: CLIENTS, shot });
    const long = new LongLived({ ...place, path: `/container/${CONTAINERS[0]}`, seconds: LONG_SECONDS });
    try {
      // The first answers of containers that were not there are no part of it.
      await pause(AROUND_MS);
      const begun = now();
      await pause(AROUND_MS);
      const from = now();
      this.change(kind);
      await this.#platform.deploy(this.#app.path);
      if (kind === "layer") await this.#rolledOut();
      await pause(AROUND_MS);
      const to = now();
      await Promise.all([load.stop(), long.stop()]);
      const during = load.between(from, to);
      const usualMs = percentile(
        load.between(begun, from).map(({ ms }) => ms),
        0.5,
      );
      const failed = load.samples.filter(({ problem }) => problem !== undefined).map(({ problem }) => problem);
      return { requests: during.length, failed, usualMs, maxMs: Math.max(...during.map(({ ms }) => ms)), ...long.counts };
    } finally {
      await Promise.all([load.stop(), long.stop()]);
    }
  }

  async #rolledOut() {
    const deadline = now() + ROLLOUT_DEADLINE_MS;
    for (;;) {
      const answers = await Promise.all(CONTAINERS.map((id) => this.#platform.get(APP, `/container/${id}`)));
      if (answers.every((answer) => answer.includes(this.#image))) return;
      if (now() > deadline) throw new Error("The containers are not on the new image.");
      await pause(50);
    }
  }

  get #ports() {
    return [this.#platform.apiPort, this.#platform.registryPort];
  }
}

function shot(client, turn) {
  const id = CONTAINERS[(client + turn) % CONTAINERS.length];
  if (turn % 3 === 0) return { kind: "echo", path: `/container/${id}/echo`, body: `${client} sends ${turn}` };
  return turn % 7 === 0 ? { kind: "worker", path: "/" } : { kind: "container", path: `/container/${id}/load` };
}

function report(first, quiet, loaded) {
  const seconds = (kind) => round(median(quiet[kind].map((each) => each.seconds)));
  const bytes = (kind) => median(quiet[kind].map((each) => each.bytes));
  const added = (kind) => round(Math.max(...loaded[kind].map(({ maxMs, usualMs }) => maxMs - usualMs)));
  const sum = (kind, what) => loaded[kind].reduce((total, each) => total + what(each), 0);
  const failures = (kind) => sum(kind, ({ failed }) => failed.length);
  const result = {
    no_change: { seconds: seconds("nothing"), bytes_sent: bytes("nothing") },
    code_only: { seconds: seconds("code"), bytes_sent: bytes("code") },
    one_layer: { seconds: seconds("layer"), bytes_sent: bytes("layer") },
    first: { seconds: round(first.seconds), bytes_sent: first.bytes },
    failed_requests: failures("code") + failures("layer"),
    max_added_ms: added("code"),
    image_max_added_ms: added("layer"),
    requests: sum("code", ({ requests }) => requests) + sum("layer", ({ requests }) => requests),
    cut_streams: sum("code", ({ cut }) => cut) + sum("layer", ({ cut }) => cut),
  };
  const rows = ["nothing", "code", "layer"].map((kind) => [`${kind} changed`, seconds(kind), String(bytes(kind))]);
  const load = ["code", "layer"].map((kind) => [
    `${kind} changed`,
    String(sum(kind, ({ requests }) => requests)),
    String(failures(kind)),
    round(median(loaded[kind].map(({ usualMs }) => usualMs))),
    added(kind),
  ]);
  return {
    result,
    text: [
      table([["deploy", "s", "bytes sent"], ...rows]),
      "",
      table([[`under load (${CLIENTS} clients)`, "requests", "failed", "usual ms", "max added ms"], ...load]),
      "",
      `Medians of ${ROUNDS} deploys; under load the worst of ${ROUNDS}, with a WebSocket, an upload and a download of ${LONG_SECONDS} s each always under way.`,
    ].join("\n"),
  };
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
