// What the Container class does with a real container: commands, terminals, snapshots, outbound rules, and what it tells of itself.
import assert from "node:assert/strict";
import { appDirectory, eventually, platformSuite } from "@longshore/testkit";

const { test } = platformSuite({ images: ["node"] });

const NAME = "class";
const DISALLOWED = "520 Origin is disallowed";
const CODE = `import { Container, ContainerProxy, getContainer } from "@longshore/containers";
export { ContainerProxy };

export class Box extends Container {
  defaultPort = 8080;
  sleepAfter = "10m";
  sleepSoon() { this.sleepAfter = 3; this.renewActivityTimeout(); }
}

export class Guarded extends Box {
  enableInternet = false;
  interceptHttps = true;
  allowedHosts = ["my.worker", "*.ok.example", "203.0.113.0/24"];
  static outboundByHost = {
    "my.worker": async (request, env, ctx) => Response.json({ path: new URL(request.url).pathname, self: ctx.containerId }),
  };
  static outbound = (request) => new Response("caught " + new URL(request.url).hostname);
  static outboundHandlers = { named: (request, env, ctx) => new Response("named " + ctx.params) };
}

const text = (bytes) => new TextDecoder().decode(bytes);
const run = async (box, ...args) => {
  const { stdout, stderr, exitCode } = await (await box.exec(...args)).output();
  return [exitCode, text(stdout), text(stderr)];
};
const GET = "fetch(process.argv[1]).then(async (r) => console.log(r.status, await r.text()), (e) => console.log(e.cause?.code ?? e))";
const CA = { env: { NODE_EXTRA_CA_CERTS: "/etc/cloudflare/certs/cloudflare-containers-ca.crt" } };
const get = async (box, url) => (await run(box, ["node", "-e", GET, url], CA))[1].trim();

// resize() answers before the terminal has its new size.
const RESIZED = "stty size; read line; n=0; until [ \\"$(stty size)\\" != '30 90' ] || [ $n -gt 200 ]; do n=$((n + 1)); sleep 0.1; done; stty size; exit 5";

const scenes = {
  async output(box) {
    return [
      await run(box, ["sh", "-c", "pwd; echo $GREETING; id -u; echo oops >&2; exit 7"], { cwd: "/www", env: { GREETING: "hello" }, user: "65534" }),
      await run(box, ["sh", "-c", "echo out; echo err >&2"], { stderr: "combined" }),
    ];
  },
  async pipe(box) {
    const process = await box.exec(["tr", "a-z", "A-Z"], { stdin: "pipe" });
    const writer = (await process.stdin).getWriter();
    await writer.write(new TextEncoder().encode("from another worker"));
    await writer.close();
    return text((await process.output()).stdout);
  },
  async kill(box) {
    const process = await box.exec(["sleep", "600"]);
    const { inUse } = await box.getState();
    await process.kill(9);
    const code = await process.exitCode;
    return { execs: inUse.execs, code };
  },
  async terminal(box) {
    const process = await box.exec(["sh", "-c", RESIZED], { pty: { cols: 90, rows: 30 } });
    const reader = (await process.stdout).getReader();
    let seen = "";
    const until = async (pattern) => {
      for (let chunk = {}; !pattern.test(seen) && !chunk.done; ) {
        chunk = await reader.read();
        if (chunk.value) seen += text(chunk.value);
      }
    };
    await until(/^\\d+ \\d+\\r/);
    await process.resize(101, 41);
    const writer = (await process.stdin).getWriter();
    await writer.write(new TextEncoder().encode("\\n"));
    await until(/never/);
    return { isPty: await process.isPty, exitCode: await process.exitCode, sizes: seen.match(/^\\d+ \\d+/gm) };
  },
  async missing(box) {
    const errors = [];
    for (const command of [[], "ls", [1]]) await box.exec(command).catch((error) => errors.push(error.name));
    return errors;
  },
  async snapshots(box, env) {
    await run(box, ["sh", "-c", "mkdir /data; echo kept >/data/a; echo root >/r"]);
    const directory = await box.snapshotDirectory({ dir: "/data", name: "mine" });
    const disk = await box.snapshotContainer({ name: "all" });
    await box.destroy();
    const other = getContainer(env.BOX, "restored");
    await other.start({ directorySnapshots: [{ snapshot: directory, mountPoint: "/elsewhere" }] });
    const one = await run(other, ["cat", "/elsewhere/a"]);
    await box.start({ containerSnapshot: disk });
    const two = await run(box, ["cat", "/r", "/data/a"]);
    const missing = await getContainer(env.BOX, "never").snapshotContainer().catch((error) => error.code);
    return { names: [directory.name, directory.dir, disk.name], one, two, missing };
  },
  async outbound(_, env) {
    const box = getContainer(env.GUARDED, "one");
    const urls = ["http://my.worker/a", "https://my.worker/s", "http://x.ok.example/", "http://203.0.113.9/", "http://other.example/", "https://other.example/"];
    const before = await Promise.all(urls.map((url) => get(box, url)));
    await box.setOutboundByHost("x.ok.example", "named", "p");
    await box.denyHost("my.worker");
    return { before, after: [await get(box, "http://my.worker/a"), await get(box, "http://x.ok.example/")] };
  },
  async guardedAgain(_, env) {
    return get(getContainer(env.GUARDED, "one"), "http://x.ok.example/");
  },
  async state(box) {
    return box.getState();
  },
  // Longer than it would take to fall asleep.
  async longCommand(box) {
    await box.sleepSoon();
    const process = await box.exec(["sleep", "6"]);
    const exitCode = await process.exitCode;
    return { exitCode, status: (await box.getState()).status };
  },
  crash: (box) => run(box, ["sh", "-c", "kill -9 $(cat /pid)"]),
};

export default {
  async fetch(request, env) {
    const [, id, scene] = new URL(request.url).pathname.split("/");
    const box = getContainer(env.BOX, id);
    if (!(scene in scenes)) return box.fetch(request);
    try {
      return Response.json((await scenes[scene](box, env)) ?? null);
    } catch (error) {
      return new Response(String(error.stack ?? error), { status: 500 });
    }
  },
};
`;

function app() {
  const image = "./Dockerfile";
  return appDirectory({
    files: {
      "wrangler.jsonc": JSON.stringify({
        name: NAME,
        main: "index.js",
        compatibility_date: "2026-06-01",
        compatibility_flags: ["experimental"],
        containers: ["Box", "Guarded"].map((class_name) => ({ class_name, image, max_instances: 10, instance_type: "standard-1" })),
        durable_objects: {
          bindings: [
            { name: "BOX", class_name: "Box" },
            { name: "GUARDED", class_name: "Guarded" },
          ],
        },
        migrations: [{ tag: "v1", new_sqlite_classes: ["Box", "Guarded"] }],
      }),
      "index.js": CODE,
      Dockerfile:
        'FROM node:20-slim\nRUN mkdir /www && echo page >/www/index.html\nCMD ["sh", "-c", "echo serving; echo $$ >/pid; exec busybox httpd -f -p 8080 -h /www"]\n',
    },
  });
}

test("commands: output, streams, signals, terminals; snapshots", async (platform) => {
  using directory = app();
  await platform.deploy(directory.path);
  const play = async (path: string) => {
    const response = await platform.fetch(NAME, path);
    const body = await response.text();
    assert.equal(response.status, 200, body);
    return JSON.parse(body);
  };
  assert.deepEqual(await play("/a/output"), [
    [7, "/www\nhello\n65534\n", "oops\n"],
    [0, "out\nerr\n", ""],
  ]);
  assert.equal(await play("/a/pipe"), "FROM ANOTHER WORKER");
  assert.deepEqual(await play("/a/kill"), { execs: 1, code: 137 });
  assert.deepEqual(await play("/a/terminal"), { isPty: true, exitCode: 5, sizes: ["30 90", "41 101"] });
  assert.deepEqual(await play("/a/missing"), ["TypeError", "TypeError", "TypeError"]);
  assert.deepEqual(await play("/a/snapshots"), {
    names: ["mine", "/data", "all"],
    one: [0, "kept\n", ""],
    two: [0, "root\nkept\n", ""],
    missing: "NOT_RUNNING",
  });
});

test("outbound rules hold for a real program, and after the Worker was replaced", async (platform) => {
  const { before, after } = (await (await platform.fetch(NAME, "/x/outbound")).json()) as { before: string[]; after: string[] };
  assert.match(before[0] ?? "", /^200 .*"path":"\/a","self":"[0-9a-f]{64}"/);
  assert.match(before[1] ?? "", /^200 .*"path":"\/s"/);
  assert.deepEqual(before.slice(2), ["200 caught x.ok.example", "200 caught 203.0.113.9", DISALLOWED, DISALLOWED]);
  assert.deepEqual(after, [DISALLOWED, "200 named p"]);
  await platform.kill({ workerd: NAME });
  assert.equal(await (await platform.fetch(NAME, "/x/guardedAgain")).json(), "200 named p");
});

test("getState() says why it is awake and why it stopped", async (platform) => {
  const state = async () => (await (await platform.fetch(NAME, "/s/state")).json()) as Record<string, unknown>;
  await platform.fetch(NAME, "/s/");
  const idle = await state();
  assert.equal(idle.status, "healthy");
  assert.ok((idle.sleepsAt as number) > Date.now() + 500_000);
  await platform.fetch(NAME, "/s/crash");
  const crashed = await eventually("its end", 60_000, async () => {
    const seen = await state();
    return seen.lastStop === undefined ? undefined : seen;
  });
  const { time: _, message, ...stop } = crashed.lastStop as Record<string, unknown>;
  assert.deepEqual(stop, { cause: "signal", reason: "runtime_signal", exitCode: 137, lastLines: ["serving"] });
  assert.match(String(message), /137/);
  await platform.fetch(NAME, "/s/");
  const command = await (await platform.fetch(NAME, "/s/longCommand")).json();
  assert.deepEqual(command, { exitCode: 0, status: "healthy" });
  const asleep = await eventually("its sleep", 60_000, async () => {
    const seen = await state();
    return (seen.lastStop as { cause: string }).cause === "idle" ? seen : undefined;
  });
  assert.equal(asleep.inUse, undefined);
});
