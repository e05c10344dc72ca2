// `npm run fuzz`: the suite's fuzz tests with many more inputs.
//   npm run fuzz                               100,000 inputs each
//   npm run fuzz -- --runs=5000 reader         5,000, only files whose path contains "reader"
//   npm run fuzz -- --seed=-1234 reader        what a failure printed, once more
// This file is also what each test's process loads first: then it tells fast-check what was asked for.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
const TOLD = "LONGSHORE_FUZZ";

if (process.argv[1] === self) {
  const words = process.argv.slice(2);
  const option = (name) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const seed = option("seed");
  const told = { numRuns: Number(option("runs") ?? 100_000), ...(seed === undefined ? {} : { seed: Number(seed) }) };
  const files = words.filter((word) => !word.startsWith("-")).map((word) => `${word}.fuzz`);
  const flags = words.filter((word) => word === "--no-setup" || word === "--no-build");
  const args = ["tools/test.mjs", "--file-seconds=3600", ...flags, ...(files.length === 0 ? [".fuzz."] : files)];
  const env = { ...process.env, [TOLD]: JSON.stringify(told), NODE_OPTIONS: `--import=${self}` };
  process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit", env }).status ?? 1;
} else if (process.env[TOLD] !== undefined) {
  const { default: fc } = await import("fast-check");
  fc.configureGlobal({ ...fc.readConfigureGlobal(), ...JSON.parse(process.env[TOLD]) });
}
