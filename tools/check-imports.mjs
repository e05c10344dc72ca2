// The one import rule: a package uses `contract` and nothing else of ours; `server`, `cli` and `testkit` wire the others. Tests and what only
// they use may import anything. Also: no cycles in what package.json declares.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = join(dirname(fileURLToPath(import.meta.url)), "../packages");
/** What may import what, besides `contract`. */
const WIRES = {
  server: ["bucket", "build", "control", "edge", "engine", "r2", "registry", "ssh", "workers"],
  cli: ["build", "server"],
  testkit: ["build", "engine", "server"],
};
const TEST_ONLY = /\.test\.ts$|(^|\/)(testing|test-support|fixtures?)(\/|[-.])|fixture-/;

const problems = [];
for (const name of readdirSync(packages)) {
  const allowed = new Set(["contract", name, ...(WIRES[name] ?? [])]);
  for (const file of sources(join(packages, name, "src"))) {
    if (TEST_ONLY.test(file)) continue;
    for (const [, imported] of readFileSync(file, "utf8").matchAll(/from "@longshore\/([a-z0-9]+)/g)) {
      if (!allowed.has(imported)) problems.push(`${file}: ${name} must not import ${imported}`);
    }
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function sources(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
