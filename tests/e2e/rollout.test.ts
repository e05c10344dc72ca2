import assert from "node:assert/strict";
import { appDirectory, eventually, type Platform, platformSuite } from "@longshore/testkit";
import { busyboxApp } from "./busybox-app.js";

const APP = "steps";
const DEADLINE_MS = 90_000;
const CRASHING = 'COPY www /www\nCMD ["sh", "-c", "echo no database here; exit 3"]';

const { test } = platformSuite({ flags: ["--rollout-watch", "20", "--drain", "0"] });

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly state?: string;
  readonly failure?: { readonly reason: string };
  readonly progress: { readonly updated_instances: number; readonly total_instances: number };
}

async function status(platform: Platform): Promise<Shown> {
  const { stdout } = await platform.succeed(["rollout", "status", `${APP}-box`, "--json"]);
  return JSON.parse(stdout) as Shown;
}

const page = async (platform: Platform, id: string): Promise<string> => await (await platform.fetch(APP, `/${id}/`)).text();

test("a step whose new container crashes stops; the others run on; revert brings the old image back", async (platform) => {
  using app = busyboxApp({ name: APP });
  await platform.deploy(app.path);
  const ids = ["one", "two", "three"];
  for (const id of ids) assert.equal(await page(platform, id), "first version\n");
  assert.match((await platform.longshore(["rollout", "status", `${APP}-box`])).stderr, /has no rollout/);

  app.write("Dockerfile", `FROM busybox\n${CRASHING}\n`);
  await platform.deploy(app.path);
  const stopped = await eventually("a rollout that has stopped", DEADLINE_MS, async () => {
    await Promise.all(ids.map((id) => page(platform, id)));
    const shown = await status(platform);
    return shown.state === "stopped" ? shown : undefined;
  });
  assert.match(stopped.failure?.reason ?? "", /ended with exit code 3\. Its last lines:\nno database here/);
  const { code, stdout } = await platform.longshore(["rollout", "status", `${APP}-box`, "--watch"]);
  assert.equal(code, 1, "a watch ends where a rollout has stopped");
  assert.match(stdout, /progressing \(stopped\), step 1 of 2[\s\S]*no database here[\s\S]*"longshore rollout next" goes on/);
  const running = (await platform.instances(APP)).filter((each) => each.status === "running");
  assert.deepEqual(
    running.map(({ version }) => version),
    [1, 1],
  );

  assert.match((await platform.succeed(["rollout", "revert", `${APP}-box`])).stdout, /going back/);
  assert.equal((await platform.longshore(["rollout", "status", `${APP}-box`, "--watch"])).code, 1);
  assert.equal((await status(platform)).status, "reverted");
  for (const id of ids) assert.equal(await page(platform, id), "first version\n");
  assert.match((await platform.succeed(["rollout", "list", `${APP}-box`])).stdout, /version 1 → 2 {2}reverted/);
});

test("with one container running, every new one has the new image as soon as the deploy has returned", async (platform) => {
  using app = busyboxApp({ name: "few" });
  await platform.deploy(app.path);
  const get = async (path: string) => await (await platform.fetch("few", path)).text();
  assert.equal(await get("/one/"), "first version\n");
  app.write("www/index.html", "second version\n");
  await platform.deploy(app.path);
  const fresh = await Promise.all(["a", "b", "c", "d"].map((id) => get(`/${id}/`)));
  assert.deepEqual(fresh, new Array(4).fill("second version\n"));
});

test("images that belong to the Worker's version are started by the code, and change with it", async (platform) => {
  const config = {
    name: "versioned",
    main: "index.js",
    compatibility_date: "2026-04-01",
    containers: [{ class_name: "Box", scheduling_policy: "durable_object", images: { page: { dockerfile: "./Dockerfile" } } }],
    durable_objects: { bindings: [{ name: "BOX", class_name: "Box" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Box"] }],
  };
  const code = `import { DurableObject } from "cloudflare:workers";
export class Box extends DurableObject {
  async fetch(request) {
    const { container } = this.ctx;
    if (!container.running) container.start({ image: container.images.page, enableInternet: false });
    return container.getTcpPort(8080).fetch(request);
  }
}
export default { fetch: (request, env) => env.BOX.getByName(new URL(request.url).pathname).fetch("http://box/") };`;
  const files = {
    "wrangler.jsonc": JSON.stringify(config),
    "index.js": code,
    Dockerfile: 'FROM busybox\nCOPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n',
    "www/index.html": "first image\n",
  };
  using app = appDirectory({ files });
  await platform.deploy(app.path, { version: "latest" });
  const get = async (path: string) => await (await platform.fetch("versioned", path)).text();
  assert.equal(await get("/a"), "first image\n");
  app.write("www/index.html", "second image\n");
  await platform.deploy(app.path, { version: "latest" });
  assert.equal(await get("/b"), "second image\n");
});
