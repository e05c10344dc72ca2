import assert from "node:assert/strict";
import { once } from "node:events";
import { type AppDirectory, appDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";
import { WebSocket } from "ws";

/** The job runs every other minute; here every minute. It is deployed first and looked at last. */
const { test } = platformSuite({ images: ["busybox", "node"], prepare: deployCron });

async function deployCron(platform: Platform): Promise<void> {
  using app = appDirectory({ example: "cron" });
  app.replace("wrangler.jsonc", "*/2 * * * *", "* * * * *");
  await platform.deploy(app.path);
}

async function deployed(platform: Platform, example: string, change: (app: AppDirectory) => void = () => undefined): Promise<void> {
  using app = appDirectory({ example });
  change(app);
  await platform.deploy(app.path);
}

async function text(platform: Platform, app: string, path: string, status = 200): Promise<string> {
  const response = await platform.fetch(app, path);
  const body = await response.text();
  assert.equal(response.status, status, body);
  return body;
}

test("static-frontend: the page is a file, what it asks for is a container's answer", async (platform) => {
  await deployed(platform, "static-frontend");
  assert.match(await text(platform, "static-frontend", "/"), /<h1>Widgets<\/h1>/);
  assert.match(await text(platform, "static-frontend", "/widgets.js"), /fetch\("\/api\/widgets"\)/);
  const widgets = JSON.parse(await text(platform, "static-frontend", "/api/widgets")) as { name: string }[];
  assert.deepEqual(
    widgets.map(({ name }) => name),
    ["Widget A", "Sprocket B", "Gear C"],
  );
  assert.equal((await platform.instances("static-frontend")).length, 1);
});

test("stateless: requests reach at most three instances, and more than one", async (platform) => {
  await deployed(platform, "stateless");
  const reached = new Set<string>();
  for (let left = 60; left > 0 && reached.size < 3; left--) reached.add(await text(platform, "stateless", "/"));
  assert.equal(reached.size, 3, [...reached].join(", "));
  const running = await platform.instances("stateless");
  assert.deepEqual(running.map(({ durableObjectId }) => durableObjectId).sort(), [...reached].sort());
});

test("status-hooks: each hook is called with what it is promised, also when the container is idle", async (platform) => {
  await deployed(platform, "status-hooks", (app) => app.replace("src/index.ts", 'sleepAfter = "5m"', 'sleepAfter = "1s"'));
  const said = async (...words: string[]) =>
    await eventually(words.join(", "), 60_000, () => words.every((each) => platform.logs().includes(each)) || undefined);
  await text(platform, "status-hooks", "/exit/7");
  await said("Container successfully started", "Container stopped with exit code: 7", "Container stop reason: exit");
  assert.equal(await text(platform, "status-hooks", "/"), "Hello from the container.\n");
  await said("Container became idle, stopping it now", "Container stopped gracefully", "Container stop reason: runtime_signal");
  await deployed(platform, "status-hooks", (app) => app.replace("Dockerfile", "server.mjs", "missing.mjs"));
  await text(platform, "status-hooks", "/", 502);
  await said("Container error:");
});

test("websocket: messages of both kinds come back in order, and the close reaches the client", async (platform) => {
  await deployed(platform, "websocket");
  const socket = new WebSocket(`${platform.url("websocket").replace("http", "ws")}/socket`, {
    lookup: (_name, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)),
  });
  await once(socket, "open");
  const messages: { kind: string; bytes: string }[] = [];
  socket.on("message", (data, isBinary) => messages.push({ kind: isBinary ? "binary" : "text", bytes: String(data) }));
  for (const message of ["first", Buffer.from("second"), "third"]) socket.send(message);
  await eventually("three messages", 60_000, () => messages.length === 3 || undefined);
  assert.deepEqual(messages, [
    { kind: "text", bytes: "first" },
    { kind: "binary", bytes: "second" },
    { kind: "text", bytes: "third" },
  ]);
  socket.close(4321, "enough");
  const [code] = (await once(socket, "close")) as [number];
  assert.equal(code, 4321);
});

test("egress-interception: a handler answers for a name, a token is the Worker's alone, everything else is refused", async (platform) => {
  await deployed(platform, "egress-interception");
  const ask = (url: string) => text(platform, "egress-interception", `/?${encodeURIComponent(url)}`);
  assert.equal(await ask("http://my.worker/some/path"), "200 handled GET /some/path");
  assert.equal(await ask("https://my.worker/over/tls"), "200 handled GET /over/tls");
  assert.match(await ask("http://some-nefarious-website.com/"), /^520 /);
  assert.match(await ask("https://github.com/"), /^(520|failed)/);
  assert.equal(await text(platform, "egress-interception", "/allow-github"), "allowed");
  assert.equal(await ask("https://github.com/a/repository"), "200 https://github.com/a/repository with Bearer known to the Worker alone");
  await text(platform, "egress-interception", "/forbid-github");
  assert.match(await ask("https://github.com/a/repository"), /^(520|failed)/);
});

test("cron: the container runs with the start's own variable", async (platform) => {
  assert.match(await text(platform, "cron", "/"), /runs a cron job/);
  const line = await eventually("the job's output", 100_000, async () => {
    const { stdout } = await platform.longshore(["logs", "cron"]);
    return /The job runs\. Start Time: (\S+)/.exec(stdout)?.[1];
  });
  assert.ok(Math.abs(Date.now() - Date.parse(line)) < 120_000, line);
});
