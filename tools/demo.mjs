// `npm run demo`: sets the machine up, starts Longshore, deploys examples/hello with the unmodified wrangler, and serves until Ctrl-C.
// `npm run demo -- --once`: makes the requests itself, prints what came back, ends everything; exits 0 only if all were right.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const once = process.argv.includes("--once");
/** Outside of the checkout: the server's unprivileged user must be able to reach it. */
const data = "/var/lib/longshore/demo";
const longshore = join(root, "packages/cli/bin/longshore.js");
const example = join(root, "examples/hello");

step("Setting up this machine", [join(root, "tools/setup.mjs")]);
step("Compiling", [join(root, "node_modules/typescript/bin/tsc"), "-b", root]);

// Only now: before the two steps above there is nothing to import.
const { buildSettings, ensureBaseImages } = await import("@longshore/build");

mkdirSync(data, { recursive: true });
const platform = await start();
try {
  await baseImages();
  step("Deploying examples/hello with wrangler", [longshore, "deploy", "--data", data], example);
  const presence = JSON.parse(output([longshore, "status", "--json", "--data", data]));
  const url = presence.edgeUrl.replace("<name>", "hello");
  if (once) process.exitCode = (await check(url)) ? 0 : 1;
  else await serve(url);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await stop();
}

/** Starts Longshore in a process group of its own, so that Ctrl-C reaches this script alone and the end is in its hands. */
async function start() {
  console.log("\n── Starting Longshore");
  const ports = once ? ["--edge-port", "0", "--api-port", "0", "--registry-port", "0"] : [];
  const child = spawn(process.execPath, [longshore, "up", "--data", data, ...ports], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  let text = "";
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("Ctrl-C ends it.")) resolve();
    });
    child.once("close", () => reject(new Error("Longshore did not start; its reason is above.")));
  }).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
  console.log(
    text
      .split("\n")
      .filter((line) => line.startsWith("  ") && !line.includes("deploy"))
      .join("\n"),
  );
  return { child, ended };
}

async function baseImages() {
  const settings = { ...buildSettings(), root: join(data, "build") };
  const { seeded, pullable } = await ensureBaseImages(join(example, "Dockerfile"), { settings });
  for (const { reference, from } of seeded) console.log(`\n${reference} cannot be pulled here: made it from this machine's own ${from}.`);
  for (const reference of pullable) console.log(`\n${reference} will be pulled.`);
}

async function check(url) {
  console.log(`\n── Asking ${url}`);
  const { checkHello } = await import(join(example, "requests.mjs"));
  const results = await checkHello(url, { sleepAfterMs: 10_000, log: (line) => console.log(line) });
  const right = results.filter((result) => result.ok).length;
  console.log(`\n${right} of ${results.length} right.`);
  return right === results.length;
}

async function serve(url) {
  console.log(`
── Serving. Try:
  curl ${url}/container/1
  curl ${url}/lb
  curl -d hello ${url}/singleton
  node packages/cli/bin/longshore.js containers list --data ${data}
Ctrl-C ends everything.`);
  await new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, resolve);
  });
}

async function stop() {
  console.log("\n── Ending Longshore");
  platform.child.kill("SIGTERM");
  await platform.ended;
}

function step(what, args, cwd = root) {
  console.log(`\n── ${what}`);
  const { status } = spawnSync(process.execPath, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${what} failed; the reason is above.`);
}

function output(args) {
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) throw new Error(`"longshore ${args[1]}" failed; the reason is above.`);
  return stdout;
}
