import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type AppDirectory, type Platform, platformSuite, type WranglerOptions } from "@longshore/testkit";
import { fetch, type Response } from "undici";
import { type BusyboxApp, busyboxApp } from "./busybox-app.js";

const APP = "steady";
const { test } = platformSuite({
  prepare: async (platform) => {
    using app = busyboxApp({ name: APP });
    await platform.deploy(app.path);
    assert.equal(await served(platform), "first version\n");
  },
});

async function served(platform: Platform): Promise<string> {
  return await (await platform.fetch(APP, "/one/")).text();
}

/** Deploys something over what runs; it must be refused with this message, and nothing may have changed. */
async function assertRefused(
  platform: Platform,
  change: Partial<BusyboxApp>,
  message: RegExp,
  options: WranglerOptions = {},
): Promise<void> {
  using app = busyboxApp({
    ...change,
    name: APP,
    page: "second version",
    before: 'if (url.pathname === "/code") return new Response("second");',
  });
  await assertRefusedApp(platform, app, message, options);
}

async function assertRefusedApp(platform: Platform, app: AppDirectory, message: RegExp, options: WranglerOptions = {}): Promise<void> {
  const before = await platform.instances(APP);
  const { code, stdout, stderr } = await platform.wrangler(app.path, ["deploy"], options);
  const said = `${stdout}${stderr}`;
  assert.notEqual(code, 0, said);
  assert.match(said, message);
  assert.equal(await served(platform), "first version\n");
  assert.deepEqual(await platform.instances(APP), before);
  // wrangler uploads the Worker before it sees to the image: what fails later leaves the new code with the old container, as it does elsewhere.
  if (!said.includes(`Uploaded ${APP}`)) assert.notEqual(await (await platform.fetch(APP, "/code")).text(), "second");
}

test("a Dockerfile that fails: the step is named, and its output is there", async (platform) => {
  const message = /no such command here[\s\S]*The Dockerfile failed at step 2\/\d: RUN echo no such command here/;
  await assertRefused(platform, { dockerfile: "RUN echo no such command here; exit 3\nCMD x" }, message);
});

test("a base image that is nowhere: what to do is said", async (platform) => {
  using app = busyboxApp({ name: APP });
  app.write("Dockerfile", `FROM ${platform.presence.registryHost}/nobody/has-this:1\n`);
  await assertRefusedApp(platform, app, /could not be pulled[\s\S]*Check its name/);
});

test("an image for another architecture: the registry names both, and what to do", async (platform) => {
  const answer = await pushArmImage(platform);
  assert.equal(answer.status, 422);
  assert.match(await answer.text(), /is for linux\/arm64, but containers run on linux\/amd64\. Rebuild it with/);
});

test("an image larger than the instance's disk: both sizes are named", async (platform) => {
  const { registryHost, accountId, token } = platform.presence;
  const authorization = `Basic ${Buffer.from(`v1:${token}`).toString("base64")}`;
  const catalog = await fetch(`http://${registryHost}/v2/_catalog?tags=true`, { headers: { authorization } });
  const [[repository, [tag]] = ["", []]] = Object.entries(
    ((await catalog.json()) as { repositories: Record<string, string[]> }).repositories,
  );
  assert.ok(repository.startsWith(`${accountId}/`));
  const image = `${registryHost}/${repository}:${tag}`;
  const containers = [{ class_name: "Box", image, max_instances: 5, instance_type: { vcpu: 1, memory_mib: 3072, disk_mb: 1 } }];
  await assertRefused(platform, { config: { containers } }, /\d+ MB[\s\S]*more than the instance's disk of 1 MB/);
});

test("a Dockerfile for another architecture: both are named, before anything is built", async (platform) => {
  using app = busyboxApp({ name: APP });
  app.write("Dockerfile", "FROM --platform=linux/arm64 busybox\n");
  await assertRefusedApp(platform, app, /builds for linux\/arm64[\s\S]*containers here run linux\/amd64[\s\S]*Take --platform out/);
});

test("a binding that is not served: it is named, with its kind", async (platform) => {
  const config = { ai: { binding: "MODEL" } };
  await assertRefused(platform, { config }, /Binding "MODEL" \(ai\)[\s\S]*Take it out[\s\S]*Nothing has been changed/);
});

test("Worker code that does not start: workerd's own words", async (platform) => {
  await assertRefused(
    platform,
    { fields: "static broken = nowhere.to.be.found;" },
    /does not start[\s\S]*nowhere is not defined[\s\S]*Correct the code/,
  );
});

test("a wrong token: where the right one is", async (platform) => {
  await assertRefused(platform, {}, /token[\s\S]*longshore env/i, { env: { CLOUDFLARE_API_TOKEN: "ls_wrong" } });
});

/** An image that holds nothing but its architecture. */
async function pushArmImage({ presence }: Platform): Promise<Response> {
  const registry = `http://${presence.registryHost}/v2/${presence.accountId}/arm`;
  const authorization = `Basic ${Buffer.from(`v1:${presence.token}`).toString("base64")}`;
  const digestOf = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const config = JSON.stringify({ architecture: "arm64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, config: { Cmd: ["/x"] } });
  const begun = await fetch(`${registry}/blobs/uploads/`, { method: "POST", headers: { authorization } });
  const place = new URL(begun.headers.get("location") ?? "", registry);
  place.searchParams.set("digest", digestOf(config));
  assert.equal((await fetch(place, { method: "PUT", headers: { authorization }, body: config })).status, 201);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
    layers: [],
  });
  const headers = { authorization, "content-type": "application/vnd.oci.image.manifest.v1+json" };
  return await fetch(`${registry}/manifests/1`, { method: "PUT", headers, body: manifest });
}
