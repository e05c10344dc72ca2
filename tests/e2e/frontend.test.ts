import assert from "node:assert/strict";
import { appDirectory, platformSuite } from "@longshore/testkit";
import { busyboxFiles } from "./busybox-app.js";

const { test } = platformSuite();

/** The documented static frontend with a backend in a container. */
const ROUTES = `if (!url.pathname.startsWith("/api")) return env.ASSETS.fetch(request);`;
const FRONTEND = {
  "dist/index.html": "<h1>Widgets</h1>",
  "dist/about.html": "about, first",
  "dist/assets/app.js": "console.log('app')",
  "dist/_headers": "/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n",
  "dist/_redirects": "/home / 302\n",
};

test("a static frontend beside a container: the files, headers, redirects, and new files with the next version", async (platform) => {
  const config = { assets: { directory: "./dist", binding: "ASSETS", not_found_handling: "404-page" } };
  const box = busyboxFiles({ name: "front", before: ROUTES, config });
  using app = appDirectory({ files: { ...box, ...FRONTEND, "dist/404.html": "nothing here" } });
  const first = await platform.deploy(app.path);
  assert.match(first.stdout, /Uploaded 4 files/);
  const text = async (path: string) => await (await platform.fetch("front", path)).text();
  assert.equal(await text("/"), "<h1>Widgets</h1>");
  assert.equal(await text("/about"), "about, first");
  assert.equal(await text("/api/"), "first version\n");
  assert.match((await platform.fetch("front", "/assets/app.js")).headers.get("cache-control") ?? "", /immutable/);
  const home = await platform.fetch("front", "/home", { redirect: "manual" });
  assert.deepEqual([home.status, home.headers.get("location")], [302, "/"]);
  const missing = await platform.fetch("front", "/nowhere");
  assert.deepEqual([missing.status, await missing.text()], [404, "nothing here"]);

  app.write("dist/about.html", "about, second");
  const second = await platform.deploy(app.path, { version: "latest" });
  assert.match(second.stdout, /Uploaded 1 file /);
  assert.equal(await text("/about"), "about, second");

  await platform.kill({ workerd: "front" });
  assert.equal(await text("/about"), "about, second");
  const back = await platform.wrangler(app.path, ["rollback", "-y", "-m", "back"]);
  assert.equal(back.code, 0, back.stderr);
  assert.equal(await text("/about"), "about, first");
});

test("files alone are an application: every path is one page's, and nothing is uploaded twice", async (platform) => {
  const config = {
    name: "spa",
    compatibility_date: "2026-04-01",
    assets: { directory: "./dist", not_found_handling: "single-page-application" },
  };
  using app = appDirectory({ files: { "wrangler.jsonc": JSON.stringify(config), ...FRONTEND } });
  await platform.deploy(app.path);
  const page = await platform.fetch("spa", "/some/route", { headers: { "sec-fetch-mode": "navigate" } });
  assert.deepEqual([page.status, await page.text()], [200, "<h1>Widgets</h1>"]);
  const again = await platform.deploy(app.path, { version: "latest" });
  assert.match(again.stdout, /No updated asset files to upload/);
  assert.equal(await (await platform.fetch("spa", "/about")).text(), "about, first");
});
