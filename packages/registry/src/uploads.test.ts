import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { utimes } from "node:fs/promises";
import { type ClientRequest, request as httpRequest } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { blobKey } from "@longshore/contract";
import { ACCOUNT, basic, digestOf, errorOf, keysOf, leftovers, pushBlob, startRegistry, type TestRegistry } from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;
const UPLOADS = `${APP}/blobs/uploads/`;

test("a blob sent in one request is there, whole and in ranges", async () => {
  await using on = await startRegistry();
  const bytes = randomBytes(1_000_000);
  const { digest } = await pushBlob(on, APP, bytes);
  const head = await on.request(`${APP}/blobs/${digest}`, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length"), head.headers.get("docker-content-digest")], [200, "1000000", digest]);
  assert.ok(bytes.equals(await bytesOf(await on.request(`${APP}/blobs/${digest}`))));
  const ranges: [string, number, Buffer][] = [
    ["bytes=0-9", 206, bytes.subarray(0, 10)],
    ["bytes=999990-", 206, bytes.subarray(999_990)],
    ["bytes=-5", 206, bytes.subarray(-5)],
    ["bytes=10-99999999", 206, bytes.subarray(10)],
    ["bytes=0-1,5-6", 200, bytes],
  ];
  for (const [range, status, expected] of ranges) {
    const response = await on.request(`${APP}/blobs/${digest}`, { headers: { range } });
    assert.equal(response.status, status, range);
    assert.ok(expected.equals(await bytesOf(response)), range);
  }
  const outside = await on.request(`${APP}/blobs/${digest}`, { headers: { range: "bytes=1000000-" } });
  assert.deepEqual([outside.status, outside.headers.get("content-range")], [416, "bytes */1000000"]);
  assert.deepEqual(await leftovers(on.root), []);
});

test("a blob sent in pieces must continue where it ended", async () => {
  await using on = await startRegistry();
  const bytes = randomBytes(300_000);
  const location = await begin(on);
  const first = await patch(on, location, bytes.subarray(0, 100_000), "0-99999");
  assert.deepEqual([first.status, first.headers.get("range"), first.headers.get("location")], [202, "0-99999", location]);

  const gap = await patch(on, location, bytes.subarray(150_000, 200_000), "150000-199999");
  assert.deepEqual([gap.status, gap.headers.get("range")], [416, "0-99999"]);
  const lie = await patch(on, location, bytes.subarray(100_000, 200_000), "100000-199998");
  assert.equal((await errorOf(lie)).code, "SIZE_INVALID");

  // Without a range, as docker does it.
  assert.equal((await patch(on, location, bytes.subarray(100_000, 200_000))).headers.get("range"), "0-199999");
  const status = await on.request(location);
  assert.deepEqual([status.status, status.headers.get("range")], [204, "0-199999"]);
  const done = await finish(on, location, digestOf(bytes), bytes.subarray(200_000), "200000-299999");
  assert.deepEqual([done.status, done.headers.get("location")], [201, `/v2/${APP}/blobs/${digestOf(bytes)}`]);
  assert.ok(bytes.equals(await bytesOf(await on.request(`${APP}/blobs/${digestOf(bytes)}`))));
  assert.equal((await on.request(location)).status, 404);
  assert.deepEqual(await leftovers(on.root), []);
});

test("bytes with another digest are refused and nothing is left", async () => {
  await using on = await startRegistry();
  const other = digestOf("other");
  const answers = [
    await on.request(`${UPLOADS}?digest=${other}`, { method: "POST", body: "these" }),
    await finish(on, await begin(on), other, Buffer.from("these")),
  ];
  for (const answer of answers) {
    const { status, code, message } = await errorOf(answer);
    assert.deepEqual([status, code], [400, "DIGEST_INVALID"]);
    assert.ok(message.includes(digestOf("these")) && message.includes(other), message);
  }
  for (const digest of ["", "md5:1234", `sha512:${"a".repeat(128)}`, "sha256:../../x"]) {
    const answer = await on.request(`${UPLOADS}?digest=${encodeURIComponent(digest)}`, { method: "POST", body: "these" });
    assert.equal((await errorOf(answer)).code, "DIGEST_INVALID");
  }
  assert.deepEqual(await leftovers(on.root), []);
  assert.deepEqual(await keysOf(on.bucket, ""), []);
});

test("an upload goes on after the registry was restarted", async () => {
  await using on = await startRegistry();
  const bytes = randomBytes(200_000);
  const location = await begin(on);
  await patch(on, location, bytes.subarray(0, 120_000));
  await on.stop();

  await using again = await startRegistry({ root: on.root });
  const status = await again.request(location);
  assert.equal(status.headers.get("range"), "0-119999");
  assert.equal((await patch(again, location, bytes.subarray(120_000), "120000-199999")).status, 202);
  assert.equal((await finish(again, location, digestOf(bytes))).status, 201);
  assert.ok(bytes.equals(await bytesOf(await again.request(`${APP}/blobs/${digestOf(bytes)}`))));
});

test("what arrived before the connection broke is kept, and the client can go on", async () => {
  await using on = await startRegistry();
  const bytes = randomBytes(400_000);
  const location = await begin(on);
  const sending = openPatch(on, location);
  sending.write(bytes.subarray(0, 150_000));
  const arrived = async (): Promise<number> => Number((await on.request(location)).headers.get("range")?.split("-")[1]) + 1;
  while ((await arrived()) < 150_000) await new Promise(setImmediate);
  const meanwhile = await patch(on, location, Buffer.from("x"));
  assert.equal(meanwhile.status, 409, "one request at a time may write");
  sending.destroy();

  const goOn = async (): Promise<Response> => patch(on, location, bytes.subarray(150_000), "150000-399999");
  let answer = await goOn();
  while (answer.status === 409) answer = await goOn();
  assert.equal(answer.status, 202);
  assert.equal((await finish(on, location, digestOf(bytes))).status, 201);
});

test("an upload can be cancelled, belongs to its repository, and expires", async () => {
  await using on = await startRegistry({ uploadExpiryMs: 60_000 });
  const cancelled = await begin(on);
  assert.equal((await on.request(cancelled, { method: "DELETE" })).status, 204);
  assert.equal((await errorOf(await on.request(cancelled))).code, "BLOB_UPLOAD_UNKNOWN");

  const mine = await begin(on);
  const id = mine.split("/").at(-1) ?? "";
  for (const path of [`${ACCOUNT}/elsewhere/blobs/uploads/${id}`, `${UPLOADS}..`, `${UPLOADS}%2e%2e%2f${id}`, `${UPLOADS}nonsense`]) {
    assert.equal((await on.request(path, { method: "PATCH", body: "x" })).status >= 400, true, path);
  }
  const fresh = await begin(on);
  const longAgo = new Date(Date.now() - 61_000);
  await utimes(join(on.root, "uploads", id, "data"), longAgo, longAgo);
  await on.registry.cleanUp();
  assert.equal((await on.request(mine)).status, 404);
  assert.equal((await on.request(fresh)).status, 204);
});

test("a blob is mounted from another repository that the caller may read, and else must be sent", async () => {
  await using on = await startRegistry();
  const { digest } = await pushBlob(on, APP);
  const mount = (to: string, from: string, wanted: string, user = "v1") =>
    on.request(`${to}/blobs/uploads/?mount=${wanted}&from=${encodeURIComponent(from)}`, { method: "POST", user });
  const mounted = await mount(`${ACCOUNT}/two`, APP, digest);
  assert.deepEqual([mounted.status, mounted.headers.get("location")], [201, `/v2/${ACCOUNT}/two/blobs/${digest}`]);
  assert.equal((await on.request(`${ACCOUNT}/two/blobs/${digest}`, { method: "HEAD" })).status, 200);

  const stranger = "ffffffffffffffffffffffffffffffff/app";
  assert.equal((await mount(stranger, APP, digest, "other")).status, 202, "another account's blob");
  assert.equal((await mount(`${ACCOUNT}/two`, APP, digestOf("missing"))).status, 202);
  assert.equal((await on.request(`${stranger}/blobs/${digest}`, { method: "HEAD", user: "other" })).status, 404);
});

test("eight clients push the same layer at once, and it is stored once", async () => {
  await using on = await startRegistry();
  const bytes = randomBytes(2_000_000);
  const digest = digestOf(bytes);
  const push = async (i: number): Promise<void> => {
    const repository = `${ACCOUNT}/app${i % 2}`;
    const start = await on.request(`${repository}/blobs/uploads/`, { method: "POST" });
    const location = start.headers.get("location") ?? "";
    await patch(on, location, bytes.subarray(0, 1_000_000));
    assert.equal((await finish(on, location, digest, bytes.subarray(1_000_000))).status, 201);
    assert.ok(bytes.equals(await bytesOf(await on.request(`${repository}/blobs/${digest}`))));
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => push(i)));
  assert.deepEqual(await keysOf(on.bucket, "registry/blobs/"), [blobKey(digest)]);
  assert.deepEqual(await leftovers(on.root), []);
});

async function begin(on: TestRegistry): Promise<string> {
  const response = await on.request(UPLOADS, { method: "POST" });
  assert.equal(response.status, 202);
  return response.headers.get("location") ?? "";
}

function patch(on: TestRegistry, location: string, body: Buffer, range?: string): Promise<Response> {
  return on.request(location, { method: "PATCH", body, headers: range === undefined ? {} : { "content-range": range } });
}

function finish(on: TestRegistry, location: string, digest: string, body?: Buffer, range?: string): Promise<Response> {
  const headers = range === undefined ? {} : { "content-range": range };
  return on.request(`${location}?digest=${digest}`, { method: "PUT", headers, ...(body === undefined ? {} : { body }) });
}

/** A request whose body does not end by itself. */
function openPatch(on: TestRegistry, location: string): ClientRequest {
  const headers = { authorization: basic("v1"), "transfer-encoding": "chunked" };
  const sending = httpRequest(new URL(location, on.url), { method: "PATCH", headers });
  sending.on("error", (error: NodeJS.ErrnoException) => assert.equal(error.code, "ECONNRESET"));
  return sending;
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}
