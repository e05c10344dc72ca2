import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory, readPresence } from "@longshore/server";
import { inheritedEnvironment } from "../settings.js";
import { wranglerEnvironment } from "./environment.js";

/**
 * Hands a command line to wrangler, the application's own before the bundled one, with the environment set. What the user has set in the
 * environment wins. `--data <dir>` is ours and is taken out. Returns wrangler's exit code.
 */
export async function runWrangler(argv: readonly string[]): Promise<number> {
  const { data, rest } = takeData(argv);
  const directory = dataDirectory(data);
  const environment = inheritedEnvironment();
  const defaults =
    environment.CLOUDFLARE_API_TOKEN !== undefined && environment.CLOUDFLARE_API_BASE_URL !== undefined
      ? {}
      : wranglerEnvironment(directory, readPresence(directory));
  const child = spawn(process.execPath, [findWrangler(process.cwd()), ...rest], { stdio: "inherit", env: { ...defaults, ...environment } });
  // wrangler handles the terminal's Ctrl-C itself; this process only waits for what it makes of it.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function takeData(argv: readonly string[]): { data: string | undefined; rest: string[] } {
  const position = argv.indexOf("--data");
  if (position < 0) return { data: undefined, rest: [...argv] };
  return { data: argv[position + 1], rest: argv.filter((_, index) => index !== position && index !== position + 1) };
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
