import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ContainerClass, LongshoreError } from "@longshore/contract";
import { EngineClient } from "./client.js";
import { docker, fetchThrough } from "./testing/docker-client.js";
import { containerName, type RunningEngine, runningEngine } from "./testing/running-engine.js";

const HTTPD = ["httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/www"];
const objectId = (n: number) => n.toString(16).padStart(64, "0");

async function webEngine(changes: Partial<ContainerClass> = {}): Promise<RunningEngine> {
  const environment = { CLOUDFLARE_REGION: "WEUR", CLOUDFLARE_LOCATION: "rack-1", CLOUDFLARE_COUNTRY_A2: "DE" };
  const config = { Env: ["PATH=/bin", "FROM_IMAGE=yes", "CLOUDFLARE_REGION=wrong"], Cmd: HTTPD };
  return await runningEngine(
    { config },
    { containerClass: { maxInstances: 3, environment, ...changes }, settings: { log: () => undefined, admissionMs: 500 } },
  );
}

/** As workerd starts it; what cannot be created is the caller's to look at. */
async function startContainer(engine: RunningEngine, n: number, body: Record<string, unknown> = {}) {
  const created = await engine.create(n, body);
  const name = containerName(n);
  if (created.status === 201) assert.equal((await docker(engine.socket, "POST", `/containers/${name}/start`)).status, 204);
  return { name, created, ingress: await engine.door(n) };
}

test("a container starts as workerd starts it, and answers on an app that listens on loopback only", async () => {
  await using engine = await webEngine();
  const { socket } = engine;
  const { name, ingress } = await startContainer(engine, 1);
  assert.deepEqual(await fetchThrough(ingress, 8080), { status: 200, body: "hello from a container\n" });
  assert.equal((await engine.open.engine.instances())[0]?.status, "running");

  const waiting = docker(socket, "POST", `/containers/${name}/wait`);
  assert.equal((await docker(socket, "POST", `/containers/${name}/kill?signal=SIGKILL`)).status, 204);
  assert.equal((await waiting).body.StatusCode, 137);
  assert.equal((await engine.open.engine.instances())[0]?.exit?.reason, "signal");
  const refused = await fetchThrough(ingress, 8080);
  assert.equal(refused.status, 503);
  assert.equal(JSON.parse(refused.body).code, "CONTAINER_EXITED");
});

test("environment: the image's, then the user's, then the platform's; a fresh disk at each start", async () => {
  await using engine = await webEngine();
  const { socket } = engine;
  const Cmd = ["sh", "-c", "test -e /mark && echo dirty; touch /mark; env; exit 3"];
  const Env = ["MESSAGE=it's\nfine", "FROM_IMAGE=overridden", "CLOUDFLARE_APPLICATION_ID=placeholder", "CLOUDFLARE_REGION=placeholder"];
  for (let life = 0; life < 2; life++) {
    // The second create replaces the exited container without asking for it to be removed.
    const { name, created } = await startContainer(engine, 1, { Cmd, Env });
    assert.equal(created.status, 201);
    assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 3);
  }
  const [info] = await engine.open.engine.instances();
  const lines = await engine.open.engine.logs(info?.id ?? "", 100);
  const values = Object.fromEntries(lines.filter((line) => line.includes("=")).map((line) => line.split(/=(.*)/s, 2)));
  assert.ok(lines.includes("fine"));
  assert.ok(!lines.includes("dirty"));
  assert.equal(values.FROM_IMAGE, "overridden");
  assert.equal(values.CLOUDFLARE_APPLICATION_ID, "app-1");
  assert.equal(values.CLOUDFLARE_REGION, "WEUR");
  assert.equal(values.CLOUDFLARE_DURABLE_OBJECT_ID, objectId(1));
  assert.equal(values.CLOUDFLARE_DEPLOYMENT_ID, info?.id);
});

test("what cannot work is refused with the reason", async () => {
  await using engine = await webEngine({ maxInstances: 1 });
  const { socket } = engine;
  engine.images.add("acc/arm:1", { architecture: "arm64" });
  const missing = await startContainer(engine, 1, { Cmd: ["/no/such/program"] });
  assert.equal(missing.created.status, 400);
  assert.match(String(missing.created.body.message), /"\/no\/such\/program" is not an executable file in the image acc\/web:1/);

  const loud = await startContainer(engine, 1, { Cmd: ["sh", "-c", "echo first; echo 'cannot open database' >&2; exit 9"] });
  const exited = JSON.parse((await fetchThrough(loud.ingress, 8080)).body);
  assert.equal(exited.exitCode, 9);
  assert.deepEqual(exited.lastLines, ["first", "cannot open database"]);

  await startContainer(engine, 1);
  const second = await startContainer(engine, 2);
  assert.equal(second.created.status, 429);
  assert.match(String(second.created.body.message), /1 of at most 1 instances of web run\. It waited 0\.5 s for one to end/);
  // Who waits gets the place of a container that ends meanwhile.
  const waiting = startContainer(engine, 3);
  await docker(socket, "DELETE", `/containers/${containerName(1)}?force=true`);
  assert.equal((await waiting).created.status, 201);

  const foreign = await docker(socket, "POST", `/containers/create?name=workerd-${"b".repeat(32)}-${objectId(1)}`, {});
  assert.equal(foreign.status, 404);
  await assert.rejects(
    engine.open.engine.prepareImage("acc/arm:1"),
    (error) => error instanceof LongshoreError && error.code === "UNSUPPORTED" && /linux\/arm64/.test(error.message),
  );
  const code = (wanted: string) => (error: unknown) => error instanceof LongshoreError && error.code === wanted;
  const { digest, downloadBytes } = await engine.open.engine.resolveImage("acc/web:1");
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.ok(downloadBytes > 0);
  await assert.rejects(engine.open.engine.resolveImage("acc/arm:1"), code("UNSUPPORTED"));
  await assert.rejects(engine.open.engine.resolveImage("acc/none:1"), code("NOT_FOUND"));
  await assert.rejects(
    engine.open.engine.prepareImage("acc/none:1"),
    (error) => error instanceof LongshoreError && error.code === "NOT_FOUND",
  );
});

test("memory is limited, and running out of it is reported as such", async () => {
  await using engine = await webEngine();
  const { socket } = engine;
  const { name } = await startContainer(engine, 1, { Cmd: ["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=2"] });
  assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 137);
  assert.equal((await engine.open.engine.instances())[0]?.exit?.reason, "oom");
});

test("a new engine takes running containers back, on the same ports, and reports exits from the time between", async () => {
  await using engine = await webEngine();
  const running = await startContainer(engine, 1);
  const ending = await startContainer(engine, 2, { Cmd: ["sleep", "1000"] });
  assert.equal((await fetchThrough(running.ingress, 8080)).status, 200);
  const before = await engine.open.engine.instances();
  const pid = engine.open.engine.tenants.get("web")?.containers.get(ending.name)?.record.process.pid ?? 0;
  await engine.restart(() => process.kill(pid, "SIGKILL"));

  assert.equal((await fetchThrough(running.ingress, 8080)).body, "hello from a container\n");
  const waited = await docker(engine.socket, "POST", `/containers/${ending.name}/wait`);
  assert.equal(waited.body.StatusCode, 137);
  const after = await engine.open.engine.instances();
  assert.deepEqual(after.map((info) => info.id).sort(), before.map((info) => info.id).sort());
});

test("a shut gate keeps containers; after shutdown nothing is left", async () => {
  await using engine = await webEngine();
  const { directories } = engine.open;
  const client = new EngineClient(directories.adminSocket, (id) => directories.tenantSocket(id));
  const socket = client.socketPath("web");
  const { name, ingress } = await startContainer(engine, 1);
  await client.setGate("web", true);
  assert.equal((await docker(socket, "DELETE", `/containers/${name}?force=true`)).status, 503);
  await client.setGate("web", false);
  assert.equal((await fetchThrough(ingress, 8080)).status, 200);
  assert.equal((await docker(socket, "DELETE", `/containers/${name}?force=true`)).status, 204);
  assert.equal((await docker(socket, "GET", `/containers/${name}/json`)).status, 404);
  await startContainer(engine, 2);
  await engine.shutdown();
  assert.deepEqual(await readdir(join(engine.directory, "data/sandboxes")), []);
  assert.deepEqual(await engine.open.engine.parts.host.cgroups.ids(), []);
  await assert.rejects(client.instances(), (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE");
});

test("a signal that asks for no end reaches the program, which goes on running", async () => {
  await using engine = await webEngine();
  const { socket } = engine;
  const Cmd = ["sh", "-c", "trap 'echo reloaded' USR1; httpd -p 127.0.0.1:8080 -h /www; while :; do sleep 0.01; done"];
  const { name, ingress } = await startContainer(engine, 1, { Cmd });
  assert.equal((await fetchThrough(ingress, 8080)).status, 200);
  assert.equal((await docker(socket, "POST", `/containers/${name}/kill?signal=SIGUSR1`)).status, 204);
  const [info] = await engine.open.engine.instances();
  const deadline = Date.now() + 60_000;
  while (!(await engine.open.engine.logs(info?.id ?? "", 10)).includes("reloaded")) {
    assert.ok(Date.now() < deadline, "the program was not told");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await engine.open.engine.instances())[0]?.status, "running");
});

test("a program without a handler for SIGTERM ends on it, and nothing but its own output is in the log", async () => {
  await using engine = await webEngine();
  const { socket } = engine;
  const { name, ingress } = await startContainer(engine, 1);
  assert.equal((await fetchThrough(ingress, 8080)).status, 200);
  const [info] = await engine.open.engine.instances();
  await docker(socket, "POST", `/containers/${name}/kill?signal=SIGTERM`);
  assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 143);
  assert.deepEqual(await engine.open.engine.logs(info?.id ?? "", 10), []);
  // Before there is a program to tell, the signal waits for it.
  const early = await startContainer(engine, 2);
  await docker(socket, "POST", `/containers/${early.name}/kill?signal=SIGTERM`);
  assert.equal((await docker(socket, "POST", `/containers/${early.name}/wait`)).body.StatusCode, 143);
});
