// `npm test`: sets the machine up, builds, and runs every test on the real thing.
//   npm test                      all
//   npm test -- packages/engine   only test files whose path contains one of the words
// `--no-setup` and `--no-build` leave these steps out; `--file-seconds=900` gives each file more time than the usual, on a very slow machine.
// At the end it names the files that took longest; the last line is `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);

const FILE_SECONDS = "--file-seconds=";
const fileSeconds = Number(process.argv.find((word) => word.startsWith(FILE_SECONDS))?.slice(FILE_SECONDS.length) ?? 400);
const SLOWEST = 15;
const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
if (!process.argv.includes("--no-setup")) step(process.execPath, ["tools/setup.mjs", "--tests"]);
if (!process.argv.includes("--no-build")) step(process.execPath, ["node_modules/typescript/bin/tsc", "-b"]);

// Where set-up puts Docker's command on a machine that has none.
process.env.PATH = `${process.env.PATH}:${join(root, "node_modules/.cache/docker/usr/bin")}`;

// End-to-end tests take longest. They come first, so that no processor waits for one at the end.
const files = [...testFiles("tests").sort(), ...testFiles("packages").sort()].filter(
  (file) => words.length === 0 || words.some((word) => file.includes(word)),
);

let passed = 0;
let failed = 0;
let skipped = 0;
/** File → the seconds that it took. */
const durations = new Map();
const stream = run({ files, concurrency: Math.max(2, cpus().length), timeout: fileSeconds * 1_000 });
stream.on("test:pass", (test) => count(test, () => passed++));
stream.on("test:fail", (test) => count(test, () => failed++));
// A file as a whole is reported by this event alone, under its path.
stream.on("test:complete", ({ name, details }) => {
  if (files.includes(name)) durations.set(name, details.duration_ms / 1_000);
});
stream.compose(spec).pipe(process.stdout);
stream.on("end", () => {
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
});
process.on("exit", () => {
  printSlowest();
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
});

function printSlowest() {
  const slowest = [...durations].sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
  console.log(`\nThe files that took longest, in seconds:`);
  for (const [file, seconds] of slowest) console.log(`${seconds.toFixed(1).padStart(7)}  ${file}`);
  console.log("");
}

/** Counts tests, not the suites around them. A file that fails as a whole is reported as a test, and so is a failure. */
function count(test, add) {
  if (test.skip) skipped++;
  else if (test.details.type !== "suite") add();
}

function testFiles(directory) {
  const found = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "src" || entry.name === "wrangler-latest") continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) found.push(...testFiles(path));
    else if (entry.name.endsWith(".test.js")) found.push(relative(root, path));
  }
  return found;
}

function step(command, args) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
