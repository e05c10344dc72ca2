import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ContainerClass, instanceSize, LongshoreError, type Tenant } from "@longshore/contract";
import { EngineClient } from "./client.js";
import { type OpenEngine, openEngine } from "./open.js";
import { docker, fetchThrough } from "./testing/docker-client.js";
import { MemoryImageSource } from "./testing/image-source.js";

const NAMESPACE = "a".repeat(32);
const objectId = (n: number) => n.toString(16).padStart(64, "0");
const containerName = (n: number) => `workerd-${NAMESPACE}-${objectId(n)}`;
const HTTPD = ["httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/www"];

interface Harness {
  readonly images: MemoryImageSource;
  readonly directory: string;
  open(): Promise<OpenEngine>;
}

async function harness(t: TestContext): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), "longshore-e-"));
  const images = new MemoryImageSource();
  images.add("acc/web:1", { config: { Env: ["PATH=/bin", "FROM_IMAGE=yes", "CLOUDFLARE_REGION=wrong"], Cmd: HTTPD } });
  const messages: string[] = [];
  t.after(async () => {
    if (!t.signal.aborted) await rm(directory, { recursive: true, force: true });
  });
  return {
    images,
    directory,
    open: () =>
      openEngine({
        dataDirectory: join(directory, "data"),
        runDirectory: join(directory, "run"),
        images,
        runtime: "/usr/bin/crun",
        poolDepth: 1,
        openFiles: 1024,
        log: (message, details) => messages.push(`${message} ${JSON.stringify(details)}`),
      }),
  };
}

function tenant(changes: Partial<ContainerClass> = {}): Tenant {
  const environment = { CLOUDFLARE_REGION: "WEUR", CLOUDFLARE_LOCATION: "rack-1", CLOUDFLARE_COUNTRY_A2: "DE" };
  const base = {
    namespaceId: NAMESPACE,
    className: "Web",
    applicationId: "app-1",
    applicationName: "web",
    image: "acc/web:1",
    size: instanceSize("lite"),
  };
  return { id: "web", classes: [{ ...base, maxInstances: 3, version: 1, environment, ...changes }] };
}

/** What workerd does on `ctx.container.start()`. */
async function startContainer(socket: string, n: number, create: Record<string, unknown> = {}) {
  const name = containerName(n);
  await docker(socket, "POST", `/containers/create?name=${name}-proxy`, { Image: "egress" });
  const sidecar = await docker(socket, "GET", `/containers/${name}-proxy/json`);
  const created = await docker(socket, "POST", `/containers/create?name=${name}`, { Image: NAMESPACE, ...create });
  if (created.status === 201) assert.equal((await docker(socket, "POST", `/containers/${name}/start`)).status, 204);
  const ports = (sidecar.body.NetworkSettings as { Ports: Record<string, [{ HostPort: string }]> }).Ports;
  return { name, created, ingress: Number(ports["39001/tcp"]?.[0].HostPort) };
}

test("a container starts as workerd starts it, and answers on an app that listens on loopback only", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant());
    const socket = open.engine.socketPath("web");
    const { name, ingress } = await startContainer(socket, 1);
    assert.deepEqual(await fetchThrough(ingress, 8080), { status: 200, body: "hello from a container\n" });
    assert.equal((await open.engine.instances())[0]?.status, "running");

    const waiting = docker(socket, "POST", `/containers/${name}/wait`);
    assert.equal((await docker(socket, "POST", `/containers/${name}/kill?signal=SIGKILL`)).status, 204);
    assert.equal((await waiting).body.StatusCode, 137);
    assert.equal((await open.engine.instances())[0]?.exit?.reason, "signal");
    const refused = await fetchThrough(ingress, 8080);
    assert.equal(refused.status, 503);
    assert.equal(JSON.parse(refused.body).code, "CONTAINER_EXITED");
  } finally {
    await open.shutdown();
  }
});

test("environment: the image's, then the user's, then the platform's; a fresh disk at each start", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant());
    const socket = open.engine.socketPath("web");
    const Cmd = ["sh", "-c", "test -e /mark && echo dirty; touch /mark; env; exit 3"];
    const Env = ["MESSAGE=it's\nfine", "FROM_IMAGE=overridden", "CLOUDFLARE_APPLICATION_ID=placeholder", "CLOUDFLARE_REGION=placeholder"];
    for (let life = 0; life < 2; life++) {
      // The second create replaces the exited container without asking for it to be removed.
      const { name, created } = await startContainer(socket, 1, { Cmd, Env });
      assert.equal(created.status, 201);
      assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 3);
    }
    const [info] = await open.engine.instances();
    const lines = await open.engine.logs(info?.id ?? "", 100);
    const values = Object.fromEntries(lines.filter((line) => line.includes("=")).map((line) => line.split(/=(.*)/s, 2)));
    assert.ok(lines.includes("fine"));
    assert.ok(!lines.includes("dirty"));
    assert.equal(values.FROM_IMAGE, "overridden");
    assert.equal(values.CLOUDFLARE_APPLICATION_ID, "app-1");
    assert.equal(values.CLOUDFLARE_REGION, "WEUR");
    assert.equal(values.CLOUDFLARE_DURABLE_OBJECT_ID, objectId(1));
    assert.equal(values.CLOUDFLARE_DEPLOYMENT_ID, info?.id);
  } finally {
    await open.shutdown();
  }
});

test("what cannot work is refused with the reason", async (t) => {
  const h = await harness(t);
  h.images.add("acc/arm:1", { architecture: "arm64" });
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant({ maxInstances: 1 }));
    const socket = open.engine.socketPath("web");
    const missing = await startContainer(socket, 1, { Cmd: ["/no/such/program"] });
    assert.equal(missing.created.status, 400);
    assert.match(String(missing.created.body.message), /"\/no\/such\/program" is not an executable file in the image acc\/web:1/);

    const loud = await startContainer(socket, 1, { Cmd: ["sh", "-c", "echo first; echo 'cannot open database' >&2; exit 9"] });
    const exited = JSON.parse((await fetchThrough(loud.ingress, 8080)).body);
    assert.equal(exited.exitCode, 9);
    assert.deepEqual(exited.lastLines, ["first", "cannot open database"]);

    await startContainer(socket, 1);
    const second = await startContainer(socket, 2);
    assert.equal(second.created.status, 429);
    assert.match(String(second.created.body.message), /1 of at most 1 instances of web run/);

    const foreign = await docker(socket, "POST", `/containers/create?name=workerd-${"b".repeat(32)}-${objectId(1)}`, {});
    assert.equal(foreign.status, 404);
    await assert.rejects(
      open.engine.prepareImage("acc/arm:1"),
      (error) => error instanceof LongshoreError && error.code === "UNSUPPORTED" && /linux\/arm64/.test(error.message),
    );
    await assert.rejects(open.engine.prepareImage("acc/none:1"), (error) => error instanceof LongshoreError && error.code === "NOT_FOUND");
  } finally {
    await open.shutdown();
  }
});

test("memory is limited, and running out of it is reported as such", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant());
    const socket = open.engine.socketPath("web");
    const { name } = await startContainer(socket, 1, { Cmd: ["dd", "if=/dev/zero", "of=/dev/null", "bs=400M", "count=2"] });
    assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 137);
    assert.equal((await open.engine.instances())[0]?.exit?.reason, "oom");
  } finally {
    await open.shutdown();
  }
});

test("a new engine takes running containers back, on the same ports, and reports exits from the time between", async (t) => {
  const h = await harness(t);
  const first = await h.open();
  await first.engine.putTenant(tenant());
  const running = await startContainer(first.engine.socketPath("web"), 1);
  const ending = await startContainer(first.engine.socketPath("web"), 2, { Cmd: ["sleep", "1000"] });
  assert.equal((await fetchThrough(running.ingress, 8080)).status, 200);
  const before = await first.engine.instances();
  await first[Symbol.asyncDispose]();
  const pid = first.engine.tenants.get("web")?.containers.get(ending.name)?.record.process.pid ?? 0;
  process.kill(pid, "SIGKILL");

  const second = await h.open();
  try {
    assert.equal((await fetchThrough(running.ingress, 8080)).body, "hello from a container\n");
    const waited = await docker(second.engine.socketPath("web"), "POST", `/containers/${ending.name}/wait`);
    assert.equal(waited.body.StatusCode, 137);
    const after = await second.engine.instances();
    assert.deepEqual(after.map((info) => info.id).sort(), before.map((info) => info.id).sort());
  } finally {
    await second.shutdown();
  }
});

test("a shut gate keeps containers; after shutdown nothing is left", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  const client = new EngineClient(open.directories.adminSocket, (id) => open.directories.tenantSocket(id));
  await client.putTenant(tenant());
  const socket = client.socketPath("web");
  const { name, ingress } = await startContainer(socket, 1);
  await client.setGate("web", true);
  assert.equal((await docker(socket, "DELETE", `/containers/${name}?force=true`)).status, 503);
  await client.setGate("web", false);
  assert.equal((await fetchThrough(ingress, 8080)).status, 200);
  assert.equal((await docker(socket, "DELETE", `/containers/${name}?force=true`)).status, 204);
  assert.equal((await docker(socket, "GET", `/containers/${name}/json`)).status, 404);
  await startContainer(socket, 2);
  await open.shutdown();
  assert.deepEqual(await readdir(join(h.directory, "data/sandboxes")), []);
  assert.deepEqual(await open.engine.parts.host.cgroups.ids(), []);
  await assert.rejects(client.instances(), (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE");
});

test("a signal that asks for no end reaches the program, which goes on running", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant());
    const socket = open.engine.socketPath("web");
    const Cmd = ["sh", "-c", "trap 'echo reloaded' USR1; httpd -p 127.0.0.1:8080 -h /www; while :; do sleep 0.01; done"];
    const { name, ingress } = await startContainer(socket, 1, { Cmd });
    assert.equal((await fetchThrough(ingress, 8080)).status, 200);
    assert.equal((await docker(socket, "POST", `/containers/${name}/kill?signal=SIGUSR1`)).status, 204);
    const [info] = await open.engine.instances();
    const deadline = Date.now() + 10_000;
    while (!(await open.engine.logs(info?.id ?? "", 10)).includes("reloaded")) {
      assert.ok(Date.now() < deadline, "the program was not told");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal((await open.engine.instances())[0]?.status, "running");
  } finally {
    await open.shutdown();
  }
});

test("a program without a handler for SIGTERM ends on it, and nothing but its own output is in the log", async (t) => {
  const h = await harness(t);
  const open = await h.open();
  try {
    await open.engine.putTenant(tenant());
    const socket = open.engine.socketPath("web");
    const { name, ingress } = await startContainer(socket, 1);
    assert.equal((await fetchThrough(ingress, 8080)).status, 200);
    const [info] = await open.engine.instances();
    await docker(socket, "POST", `/containers/${name}/kill?signal=SIGTERM`);
    assert.equal((await docker(socket, "POST", `/containers/${name}/wait`)).body.StatusCode, 143);
    assert.deepEqual(await open.engine.logs(info?.id ?? "", 10), []);
    // Before there is a program to tell, the signal waits for it.
    const early = await startContainer(socket, 2);
    await docker(socket, "POST", `/containers/${early.name}/kill?signal=SIGTERM`);
    assert.equal((await docker(socket, "POST", `/containers/${early.name}/wait`)).body.StatusCode, 143);
  } finally {
    await open.shutdown();
  }
});
