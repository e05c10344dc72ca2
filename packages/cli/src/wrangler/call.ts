import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { LongshoreError } from "@longshore/contract";

/**
 * Runs wrangler in the foreground, the application's own before the bundled one, on this process's terminal. Resolves to its exit code.
 * Errors: `UNAVAILABLE` when there is none.
 */
export async function callWrangler(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, [findWrangler(process.cwd()), ...argv], { stdio: "inherit", env: environment });
  const forward = (signal: NodeJS.Signals) => {
    // A terminal's Ctrl-C has reached wrangler already, which takes a second one for impatience. This process only waits for what it makes of it.
    if (signal !== "SIGINT" || process.stdin.isTTY !== true) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}

/** Takes `--data <dir>` or `--data=<dir>`, which is ours, out of a command line that is otherwise wrangler's. Errors: `INVALID_INPUT` when the directory is missing. */
export function takeData(argv: readonly string[]): { data: string | undefined; rest: string[] } {
  const position = argv.findIndex((word) => word === "--data" || word.startsWith("--data="));
  const word = argv[position];
  if (word === undefined) return { data: undefined, rest: [...argv] };
  const [data, after] = word === "--data" ? [argv[position + 1], position + 2] : [word.slice("--data=".length), position + 1];
  if (data === undefined || data === "" || data.startsWith("-")) {
    throw new LongshoreError("INVALID_INPUT", "--data needs a value: the installation's data directory.");
  }
  return { data, rest: [...argv.slice(0, position), ...argv.slice(after)] };
}

/** The wrangler that an application in this directory would use. */
function findWrangler(directory: string): string {
  const own = join(directory, "node_modules/wrangler/bin/wrangler.js");
  if (existsSync(own)) return own;
  if (dirname(directory) !== directory) return findWrangler(dirname(directory));
  try {
    return join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js");
  } catch (cause) {
    throw new LongshoreError("UNAVAILABLE", "There is no wrangler here.", {
      cause,
      hint: 'Install it in the application with "npm install --save-dev wrangler".',
    });
  }
}
