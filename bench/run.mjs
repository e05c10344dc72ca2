// `npm run bench -- <name>`: sets the machine up, runs one benchmark, and prints a table and, as the last line, one JSON object.
// Each benchmark is one file in bench/benchmarks: `summary`, and `run(context)` which resolves with `{ text, result }`.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Cleanup } from "./lib/cleanup.mjs";

/**
 * @typedef {object} Context
 * @property {string} directory for everything that the benchmark writes; removed at its end
 * @property {Cleanup} cleanup what must be undone at its end
 * @property {(message: string) => void} log progress, for people
 * @property {readonly string[]} args words after the benchmark's name
 */

const root = fileURLToPath(new URL("../", import.meta.url));
const directoryOfBenchmarks = new URL("benchmarks/", import.meta.url);
const names = readdirSync(directoryOfBenchmarks).map((file) => file.replace(/\.mjs$/, ""));
const [name, ...args] = process.argv.slice(2).filter((word) => word !== "--no-setup");

if (!names.includes(name)) {
  console.error("Usage: npm run bench -- <name>\n");
  for (const known of names) console.error(`  ${known.padEnd(12)}${(await load(known)).summary}`);
  process.exit(2);
}

process.chdir(root);
if (!process.argv.includes("--no-setup")) step("tools/setup.mjs");
step("node_modules/typescript/bin/tsc", "-b");
const { run } = await load(name);
process.exitCode = await measure();

async function measure() {
  const cleanup = new Cleanup();
  // Short: sockets are made below it.
  const directory = mkdtempSync(join(tmpdir(), "lsbench-"));
  // Passed through by the unprivileged user that Longshore's server runs as.
  chmodSync(directory, 0o711);
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      interrupted = true;
      log(`${signal}: taking everything down …`);
      void cleanup.run().then(() => process.exit(130));
    });
  }
  try {
    const [load1] = loadavg();
    if (load1 > 0.5) log(`The machine is not idle (load ${load1.toFixed(2)}): expect noise.`);
    const { text, result } = await run({ directory, cleanup, log, args });
    await cleanup.run();
    console.log(`${text}\n\n${JSON.stringify(result)}`);
    return 0;
  } catch (error) {
    // What fails because it is being taken down is no news.
    if (!interrupted) console.error(error);
    await cleanup.run();
    return 1;
  }
}

async function load(benchmark) {
  return await import(new URL(`${benchmark}.mjs`, directoryOfBenchmarks).href);
}

function log(message) {
  console.error(message);
}

/** Runs one of Node's programs to its end, with its output on standard error: standard output is for results. */
function step(...program) {
  const { status } = spawnSync(process.execPath, program, { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
