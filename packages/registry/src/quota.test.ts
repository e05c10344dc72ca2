import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { layerWith, skopeo, writeLayout } from "./fixture-images.js";
import {
  ACCOUNT,
  digestOf,
  errorOf,
  keysOf,
  leftovers,
  PASSWORD,
  pushBlob,
  pushImage,
  startRegistry,
  type TestRegistry,
} from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;
const TWO = `${ACCOUNT}/two`;

test("an account's images take no more than they may, each layer counted once", async () => {
  await using on = await startRegistry({ accountLimitBytes: 1_000_000, gracePeriodMs: 0, inUse: async () => none });
  const large = randomBytes(900_000);
  const { digest } = await pushBlob(on, APP, large);
  const before = await keysOf(on.bucket, "");

  for (const answer of [await post(on, APP, randomBytes(200_000)), await inPieces(on, APP, randomBytes(200_000))]) {
    const { status, code, message } = await errorOf(answer);
    assert.deepEqual([status, code], [403, "DENIED"]);
    assert.match(
      message,
      /^The images of account 0123456789abcdef.* take 900 kB of the 1 MB .*; another 200 kB do not fit\. Delete images/,
    );
  }
  assert.deepEqual(await keysOf(on.bucket, ""), before);
  assert.deepEqual(await leftovers(on.root), []);

  assert.equal((await on.request(`${TWO}/blobs/uploads/?mount=${digest}&from=${APP}`, { method: "POST" })).status, 201);
  assert.equal((await inPieces(on, `${ACCOUNT}/three`, large)).status, 201, "the same bytes in another repository take nothing more");
  await pushBlob(on, APP, randomBytes(99_000));
  assert.equal((await post(on, "ffffffffffffffffffffffffffffffff/app", large, "other")).status, 201, "another account has its own");
});

test("an upload that no deletion could make fit ends when it has become too large, not when it is complete", async () => {
  await using on = await startRegistry({ accountLimitBytes: 1_000_000 });
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(randomBytes(65_536)));
    },
  });
  const begun = await on.request(`${APP}/blobs/uploads/`, { method: "POST" });
  const init = { method: "PATCH", body: endless, duplex: "half" } as RequestInit;
  const answer = await on.request(begun.headers.get("location") ?? "", init).catch((error: unknown) => error);
  if (answer instanceof Response) assert.equal(answer.status, 403);
  assert.ok(sent < 50_000_000, `${sent} bytes were taken`);
  assert.deepEqual(await leftovers(on.root), []);
});

test("many clients at once get no more than there is, and what is deleted and collected can be used again", async () => {
  await using on = await startRegistry({ accountLimitBytes: 1_000_000, gracePeriodMs: 0, inUse: async () => none });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => post(on, `${ACCOUNT}/app${i}`, randomBytes(150_000))));
  assert.equal(answers.filter(({ status }) => status === 201).length, 6);
  await on.registry.cleanUp();

  const image = await pushImage(on, APP, { reference: "v1" });
  await pushBlob(on, APP, randomBytes(990_000));
  assert.equal((await post(on, TWO, randomBytes(50_000))).status, 403);
  await on.registry.cleanUp();
  assert.equal((await post(on, TWO, randomBytes(990_000))).status, 201);
  assert.equal((await on.request(`${APP}/manifests/${image.digest}`)).status, 200);
});

test("a restarted registry counts what is there", async () => {
  await using on = await startRegistry({ accountLimitBytes: 1_000_000 });
  await pushBlob(on, APP, randomBytes(900_000));
  await on.stop();
  await using again = await startRegistry({ root: on.root, accountLimitBytes: 1_000_000 });
  assert.equal((await post(again, APP, randomBytes(200_000))).status, 403);
  await pushBlob(again, APP, randomBytes(50_000));
});

test("skopeo shows why the push was refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "longshore-quota-"));
  try {
    await using on = await startRegistry({ accountLimitBytes: 1_000_000 });
    await writeLayout(directory, [{ architecture: "amd64", layers: [layerWith("large", randomBytes(2_000_000))] }]);
    const target = `docker://127.0.0.1:${on.port}/${APP}:v1`;
    const pushed = await skopeo("copy", "--dest-tls-verify=false", "--dest-creds", `v1:${PASSWORD}`, `oci:${directory}`, target);
    assert.notEqual(pushed.code, 0);
    assert.match(pushed.output, /of the 1 MB that an account may have/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

const none = { deployed: new Set<string>(), remembered: new Set<string>() };

function post(on: TestRegistry, repository: string, bytes: Buffer, user = "v1"): Promise<Response> {
  const path = `${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;
  return on.request(path, { method: "POST", body: new Uint8Array(bytes), user });
}

async function inPieces(on: TestRegistry, repository: string, bytes: Buffer): Promise<Response> {
  const begun = await on.request(`${repository}/blobs/uploads/`, { method: "POST" });
  const location = begun.headers.get("location") ?? "";
  const patched = await on.request(location, { method: "PATCH", body: new Uint8Array(bytes) });
  return patched.status === 202 ? on.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" }) : patched;
}
