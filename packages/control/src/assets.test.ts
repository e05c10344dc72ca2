import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertManifest, buckets } from "./model/asset-manifest.js";
import { Tokens } from "./state/tokens.js";
import { ACCOUNT, type Answer, Harness, scriptForm } from "./test-support/harness.js";

const hash = (digit: string): string => digit.repeat(32);
const SESSION = "workers/scripts/site/assets-upload-session";

describe("static files", () => {
  test("the list: what no file system or path can mean is refused", () => {
    const file = { hash: hash("a"), size: 1 };
    assertManifest({ "/a": file, "/b/c": file, "/ü b/%20.txt": file });
    for (const path of ["a", "/", "/a/../b", "/./a", "/a//b", "/a\0", `/${"x".repeat(256)}`, "/\ud800"]) {
      assert.throws(() => assertManifest({ [path]: file }), { code: "INVALID_INPUT" }, path);
    }
    assert.throws(() => assertManifest({ "/a": file, "/a/b/c": file }), /"\/a" is a static file and a directory/);
    assert.throws(() => assertManifest({ "/a": file, "/b": { ...file, size: 2 } }), /not one size/);
    assert.throws(() => assertManifest({ "/a": { ...file, size: 26 * 1024 * 1024 } }), { code: "TOO_LARGE" });
  });

  test("what is uploaded in one request: each file once, some megabytes at a time", () => {
    const manifest = Object.fromEntries(["1", "2", "3", "4"].map((digit) => [`/${digit}`, { hash: hash(digit), size: 5_000_000 }]));
    manifest["/again"] = { hash: hash("1"), size: 5_000_000 };
    manifest["/small"] = { hash: hash("5"), size: 10 };
    assert.deepEqual(buckets(manifest, new Set([hash("2")])), [[hash("1")], [hash("3")], [hash("4"), hash("5")]]);
  });

  test("tokens: of this installation and use, whole, and not for ever", () => {
    let now = 1_000_000;
    const key = new Uint8Array(32);
    const tokens = new Tokens(key, "one", () => now);
    const token = tokens.sign({ script: "site" }, 60_000);
    assert.equal(tokens.verify(token).script, "site");
    const [header, payload, mac] = token.split(".");
    const changed = Buffer.from(JSON.stringify({ script: "other", exp: 9e9 })).toString("base64url");
    for (const bad of [
      "",
      "a.b.c",
      `${header}.${changed}.${mac}`,
      `${header}.${payload}`,
      new Tokens(key, "two", () => now).sign({}, 60_000),
    ]) {
      assert.throws(() => tokens.verify(bad), { code: "UNAUTHORIZED" }, bad);
    }
    now += 61_000;
    assert.throws(() => tokens.verify(token), { code: "UNAUTHORIZED", message: /has ended/ });
  });

  test("a session: some files, the rest, then a deploy with them; nothing is asked for twice", async () => {
    await using harness = await Harness.start();
    const manifest = { "/a.txt": { hash: hash("a"), size: 1 }, "/b.txt": { hash: hash("b"), size: 2 } };
    const begun = await harness.call("POST", SESSION, { manifest });
    assert.deepEqual(begun.result.buckets, [[hash("a"), hash("b")]]);
    const { jwt } = begun.result;
    assert.equal((await deploy(harness, jwt)).status, 400, "files are missing");
    assert.equal((await upload(harness, jwt, { [hash("a")]: "A" })).status, 202);
    assert.equal((await upload(harness, jwt, { [hash("c")]: "C" })).status, 400, "not of this session");
    assert.equal((await upload(harness, jwt, { [hash("b")]: "B" })).status, 400, "not the size that was said");
    assert.equal((await upload(harness, "wrong", { [hash("b")]: "BB" })).status, 401);
    const resumed = await harness.call("POST", SESSION, { manifest });
    assert.deepEqual(resumed.result.buckets, [[hash("b")]]);
    const done = await upload(harness, jwt, { [hash("b")]: "BB" });
    assert.equal(done.status, 201);
    assert.equal((await deploy(harness, done.result.jwt)).status, 200);
    const first = harness.workers.running.get("site")?.version.assets;
    assert.deepEqual(first?.config, { html_handling: "none", headers: "/*\n  A: b" });
    const whole = await harness.call("POST", SESSION, { manifest });
    assert.deepEqual(whole.result.buckets, []);
    assert.equal((await harness.call("PUT", "workers/scripts/other", scriptForm({ assets: { jwt: whole.result.jwt } }))).status, 400);

    assert.equal((await harness.call("PUT", "workers/scripts/site", scriptForm({ keep_assets: true }))).status, 200);
    assert.deepEqual(harness.workers.running.get("site")?.version.assets, first);
    assert.equal((await harness.call("PUT", "workers/scripts/site", scriptForm({}))).status, 200);
    assert.equal(harness.workers.running.get("site")?.version.assets, undefined);
    const bound = scriptForm({ bindings: [{ name: "ASSETS", type: "assets" }] });
    assert.match((await harness.call("PUT", "workers/scripts/site", bound)).errors[0]?.message ?? "", /static files, and there are none/);
  });
});

function deploy(harness: Harness, jwt: string): Promise<Answer> {
  const config = { html_handling: "none", _headers: "/*\n  A: b" };
  const form = scriptForm({ assets: { jwt, config }, bindings: [{ name: "ASSETS", type: "assets" }] });
  return harness.call("PUT", "workers/scripts/site", form);
}

function upload(harness: Harness, jwt: string, files: Record<string, string>): Promise<Answer> {
  const form = new FormData();
  for (const [name, content] of Object.entries(files)) form.set(name, new File([btoa(content)], name));
  return harness.call("POST", `/accounts/${ACCOUNT}/workers/assets/upload?base64=true`, form, jwt);
}
