import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { ACCOUNT, basic, digestOf, errorOf, keysOf, pushImage, startRegistry, type TestRegistry } from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;

test("nothing is served without a name and a password", async () => {
  await using on = await startRegistry();
  const wrong = [
    "",
    "Basic",
    "Basic !",
    "Bearer x",
    basic("v1", "wrong"),
    basic("nobody"),
    `Basic ${Buffer.from("no-colon").toString("base64")}`,
  ];
  for (const authorization of wrong) {
    for (const path of ["", "_catalog", `${APP}/tags/list`, `${APP}/blobs/${digestOf("")}`, "no/such/route"]) {
      const response = await fetch(new URL(path, on.url), authorization === "" ? {} : { headers: { authorization } });
      assert.match(response.headers.get("www-authenticate") ?? "", /^Basic realm="/);
      assert.deepEqual([(await errorOf(response)).code, response.status], ["UNAUTHORIZED", 401]);
    }
  }
  const right = await on.request("");
  assert.deepEqual([right.status, right.headers.get("docker-distribution-api-version")], [200, "registry/2.0"]);
});

test("an account sees its own repositories only, and a reader does not write", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, APP, { reference: "v1" });
  const requests: [string, string, string][] = [
    ["other", "GET", `${APP}/manifests/v1`],
    ["other", "GET", `${APP}/blobs/${image.layers[0]}`],
    ["other", "DELETE", `${APP}/manifests/v1`],
    ["other", "POST", `${APP}/blobs/uploads/`],
    ["v1", "POST", "library/app/blobs/uploads/"],
    ["v1", "POST", `${ACCOUNT}x/app/blobs/uploads/`],
    ["reader", "POST", `${APP}/blobs/uploads/`],
    ["reader", "DELETE", `${APP}/manifests/v1`],
  ];
  for (const [user, method, path] of requests) {
    const { status, code } = await errorOf(await on.request(path, { method, user }));
    assert.deepEqual([status, code], [403, "DENIED"], `${user} ${method} ${path}`);
  }
  assert.equal((await on.request(`${APP}/manifests/v1`, { user: "reader" })).status, 200);
  assert.equal((await on.request("library/app/blobs/uploads/", { method: "POST", user: "admin" })).status, 202);
});

test("names that lead out of the bucket, or are no names, are refused", async () => {
  await using on = await startRegistry();
  const paths = [
    `/v2/${ACCOUNT}/../../etc/manifests/passwd`,
    `/v2/${ACCOUNT}/%2e%2e/x/manifests/v1`,
    `/v2/${ACCOUNT}%2F..%2F..%2Fx/blobs/uploads/`,
    `/v2/${ACCOUNT}/app/manifests/..`,
    `/v2/${ACCOUNT}/app/manifests/%2e%2e%2fx`,
    `/v2/${ACCOUNT}/app/blobs/sha256:..%2f..%2fx`,
    `/v2/${ACCOUNT}/app/referrers/nonsense`,
    `/v2/${ACCOUNT}/_tags/manifests/v1`,
    `/v2/${ACCOUNT}/App/manifests/v1`,
    `/v2/${ACCOUNT}/a%00b/manifests/v1`,
    `/v2/${ACCOUNT}/a%0ab/manifests/v1`,
    `/v2/${ACCOUNT}/${"a".repeat(300)}/manifests/v1`,
    `/v2/${ACCOUNT}/app/manifests/${"a".repeat(129)}`,
    "/v2/%zz/manifests/v1",
    "/v2//manifests/v1",
    "/v2/../v2/_catalog",
    "/",
  ];
  for (const path of paths) {
    for (const method of ["GET", "PUT", "POST"]) {
      const status = await rawRequest(on, method, path);
      assert.ok(status === 400 || status === 404 || status === 405, `${method} ${path}: ${status}`);
    }
  }
  assert.deepEqual(await keysOf(on.bucket, ""), []);
});

test("a method that a route does not have is answered with those that it has", async () => {
  await using on = await startRegistry();
  const response = await on.request(`${APP}/blobs/${digestOf("")}`, { method: "PUT" });
  assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD, DELETE"]);
});

/** `fetch` would tidy the path up. */
function rawRequest(on: TestRegistry, method: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: "127.0.0.1", port: on.port, method, path, headers: { authorization: basic("v1") } }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    })
      .once("error", reject)
      .end();
  });
}
