import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataDirectory, type Presence, readPresence } from "@longshore/server";
import { workersAndAddresses } from "../addresses.js";
import type { Output } from "../command.js";
import { inheritedEnvironment } from "../settings.js";
import { callWrangler, takeData } from "./call.js";
import { wranglerEnvironment } from "./environment.js";

/** What wrangler answers without asking anybody. */
const HELP = new Set(["--help", "-h", "--version", "-v"]);

/**
 * Hands a command line to wrangler, with the environment set. What the user has set in the environment wins. `--data <dir>` is ours and is taken out.
 * After a deploy it says where the Worker is served: wrangler names an address at Cloudflare's domain. Returns wrangler's exit code.
 */
export async function runWrangler(argv: readonly string[], output: Output): Promise<number> {
  const { data, rest } = takeData(argv);
  const environment = inheritedEnvironment();
  const { CLOUDFLARE_API_TOKEN, CLOUDFLARE_API_BASE_URL } = environment;
  if (rest.some((word) => HELP.has(word)) || (CLOUDFLARE_API_TOKEN !== undefined && CLOUDFLARE_API_BASE_URL !== undefined)) {
    return await callWrangler(rest, environment);
  }
  const directory = dataDirectory(data);
  const presence = readPresence(directory);
  const call = async (more: NodeJS.ProcessEnv) =>
    await callWrangler(rest, { ...wranglerEnvironment(directory, presence), ...more, ...environment });
  return rest[0] === "deploy" ? await deploy(presence, call, output) : await call({});
}

async function deploy(presence: Presence, call: (more: NodeJS.ProcessEnv) => Promise<number>, output: Output): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "longshore-deploy-"));
  try {
    const file = join(directory, "output");
    const code = await call({ WRANGLER_OUTPUT_FILE_PATH: file });
    if (code !== 0) return code;
    const deployed = deployedWorkers(file);
    if (deployed.size === 0) return code;
    // The deploy is done, whatever becomes of these words.
    const { addresses } = await workersAndAddresses(presence).catch(() => ({ addresses: [] }));
    for (const { worker, url } of addresses) if (deployed.has(worker)) output.note(`Served here at ${url}`);
    return code;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The names in the file in which wrangler notes, in lines of JSON, what it did; a file that is not there has none. */
function deployedWorkers(file: string): Set<string> {
  try {
    const entries = readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { type?: unknown; worker_name?: unknown });
    return new Set(entries.flatMap(({ type, worker_name }) => (type === "deploy" && typeof worker_name === "string" ? [worker_name] : [])));
  } catch {
    return new Set();
  }
}
