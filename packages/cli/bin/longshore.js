#!/usr/bin/env node
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const main = join(checkout, "packages/cli/dist/main.js");
// A fresh clone, in which nobody has run anything yet.
if (!existsSync(main) || !existsSync(join(checkout, "node_modules"))) {
  console.error(`Longshore is not built yet. Run "npm run setup && npm run build" in ${checkout}.`);
  process.exit(1);
}
// That nobody reads the output any more is no failure, and no reason for "up" to end.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (error.code !== "EPIPE") throw error;
  });
}
process.exitCode = await (await import(main)).main(process.argv.slice(2));
