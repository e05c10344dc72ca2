import { dataDirectory, readPresence } from "@longshore/server";
import { inheritedEnvironment } from "../settings.js";
import { callWrangler, takeData } from "./call.js";
import { wranglerEnvironment } from "./environment.js";

/** What wrangler answers without asking anybody. */
const HELP = new Set(["--help", "-h", "--version", "-v"]);

/**
 * Hands a command line to wrangler, with the environment set. What the user has set in the environment wins. `--data <dir>` is ours and is taken out.
 * Returns wrangler's exit code.
 */
export async function runWrangler(argv: readonly string[]): Promise<number> {
  const { data, rest } = takeData(argv);
  const directory = dataDirectory(data);
  const environment = inheritedEnvironment();
  const asksNothing = rest.some((word) => HELP.has(word));
  const defaults =
    asksNothing || (environment.CLOUDFLARE_API_TOKEN !== undefined && environment.CLOUDFLARE_API_BASE_URL !== undefined)
      ? {}
      : wranglerEnvironment(directory, readPresence(directory));
  return await callWrangler(rest, { ...defaults, ...environment });
}
