import assert from "node:assert/strict";
import { eventually, type Platform, platformSuite } from "@longshore/testkit";
import { type BusyboxApp, busyboxApp } from "./busybox-app.js";

/** So many tries take the published class a minute and a half where each is held for five seconds, and a few seconds where each is refused. */
const WAITS = `async fetch() {
    const cancellationOptions = { portReadyTimeoutMS: 5_000 };
    return await this.startAndWaitForPorts({ ports: [9999], cancellationOptions }).catch((error) => new Response(String(error), { status: 500 }));
  }`;

/** Asked first and looked at last: it takes as long as a port may take to open. */
let wrongPort: Promise<Answer> | undefined;
let wrongPortPublished: Promise<Answer> | undefined;

const { test } = platformSuite({
  prepare: async (platform) => {
    await deploy(platform, { name: "wrong-port", fields: "defaultPort = 9999;" });
    wrongPort = ask(platform, "wrong-port");
    await deploy(platform, { name: "wrong-port-published", fields: WAITS }, "@cloudflare/containers");
    wrongPortPublished = ask(platform, "wrong-port-published");
  },
});

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly text: string;
}

async function deploy(platform: Platform, app: BusyboxApp, library = "@longshore/containers"): Promise<void> {
  using directory = busyboxApp(app);
  directory.replace("index.js", "@longshore/containers", library);
  await platform.deploy(directory.path);
}

async function ask(platform: Platform, app: string, path = "/one/"): Promise<Answer> {
  const response = await platform.fetch(app, path);
  return { status: response.status, code: response.headers.get("x-container-error"), text: await response.text() };
}

test("an entrypoint that does not exist: it is named, with where to correct it", async (platform) => {
  await deploy(platform, { name: "no-entrypoint", dockerfile: 'CMD ["/no/such/program"]' });
  const { status, code, text } = await ask(platform, "no-entrypoint");
  assert.deepEqual([status, code], [500, "START_FAILED"]);
  assert.match(text, /"\/no\/such\/program" is not an executable file[\s\S]*ENTRYPOINT or CMD/);
});

test("a container that exits at once: its code and its last lines", async (platform) => {
  await deploy(platform, {
    name: "exits",
    dockerfile: 'CMD ["sh", "-c", "echo reading settings; echo DATABASE_URL is not set >&2; exit 3"]',
  });
  const { status, code, text } = await ask(platform, "exits");
  assert.deepEqual([status, code], [502, "CONTAINER_EXITED"]);
  assert.match(text, /exited with code 3[\s\S]*reading settings[\s\S]*DATABASE_URL is not set/);
});

test("a container that runs out of memory: it is started again without being asked, and its end is told", async (platform) => {
  const hog = "busybox httpd -p 8080 -h /www; busybox sleep 2; exec busybox dd if=/dev/zero of=/dev/null bs=1000M count=1";
  await deploy(platform, { name: "hog", dockerfile: `COPY www /www\nCMD ["busybox", "sh", "-c", "${hog}"]` });
  assert.equal((await ask(platform, "hog")).text, "first version\n");
  const first = (await platform.instances("hog"))[0];
  assert.ok(first !== undefined);
  await eventually("another life of the container", 30_000, async () =>
    (await platform.instances("hog")).find(({ id, status }) => id !== first.id && status !== "exited"),
  );
  const log = await platform.succeed(["logs", "hog", "--instance", first.id]);
  assert.match(log.stdout.trimEnd().split("\n").at(-1) ?? "", /longshore: out of memory: the limit is 256 MiB, the peak was/);
});

test("max_instances reached: the limit and how to raise it, and those that run are not touched", async (platform) => {
  await deploy(platform, { name: "full", maxInstances: 2 });
  assert.equal((await ask(platform, "full", "/one/")).text, "first version\n");
  assert.equal((await ask(platform, "full", "/two/")).text, "first version\n");
  const { status, code, text } = await ask(platform, "full", "/three/");
  assert.deepEqual([status, code], [503, "LIMIT_REACHED"]);
  assert.match(text, /2 of at most 2 instances[\s\S]*max_instances/);
  assert.equal((await ask(platform, "full", "/one/")).text, "first version\n");
  assert.equal((await platform.instances("full")).filter(({ status }) => status !== "exited").length, 2);
});

test("a new image that exits at once: the next deploy repairs it", async (platform) => {
  using app = busyboxApp({ name: "repaired", dockerfile: 'CMD ["sh", "-c", "echo not yet; exit 1"]' });
  await platform.deploy(app.path);
  assert.equal((await ask(platform, "repaired")).code, "CONTAINER_EXITED");
  app.write("Dockerfile", 'FROM busybox\nCOPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n');
  await platform.deploy(app.path);
  assert.equal((await ask(platform, "repaired")).text, "first version\n");
});

test("a port that nothing listens on: the ports that are listened on are named", async () => {
  assert.ok(wrongPort !== undefined);
  const { status, code, text } = await wrongPort;
  assert.deepEqual([status, code], [504, "PORT_NOT_LISTENING"]);
  assert.match(text, /not listening to port 9999[\s\S]*only on 8080[\s\S]*defaultPort/);
});

test("the published class says so too, and does not ask for ever", async () => {
  assert.ok(wrongPortPublished !== undefined);
  const { status, text } = await wrongPortPublished;
  assert.equal(status, 500);
  assert.match(text, /not listening to port 9999[\s\S]*only on 8080/);
});
