import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { layerWith, skopeo, writeLayout } from "./fixture-images.js";
import { ACCOUNT, basic, digestOf, errorOf, keysOf, leftovers, PASSWORD, pushImage, startRegistry } from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;

test("a push to a full disk says so, leaves nothing, and spoils nothing", async () => {
  await using disk = await smallDisk("4m");
  await using on = await startRegistry({ root: disk.path });
  const before = await pushImage(on, APP, { reference: "before" });
  const keys = await keysOf(on.bucket, "");
  const bytes = randomBytes(6_000_000);

  const whole = await on.request(`${APP}/blobs/uploads/?digest=${digestOf(bytes)}`, { method: "POST", body: bytes });
  const begun = await on.request(`${APP}/blobs/uploads/`, { method: "POST" });
  const piece = await on.request(begun.headers.get("location") ?? "", { method: "PATCH", body: bytes });
  for (const answer of [whole, piece]) {
    assert.match(answer.statusText, /^Insufficient Storage: The disk is full/);
    const { status, code, message } = await errorOf(answer);
    assert.deepEqual([status, code], [507, "NO_SPACE"]);
    assert.match(message, /Free some space/);
  }
  assert.deepEqual(await leftovers(on.root), []);
  assert.deepEqual(await keysOf(on.bucket, ""), keys);

  const layout = join(disk.outside, "image");
  await writeLayout(layout, [{ architecture: "amd64", layers: [layerWith("large", bytes)] }]);
  const target = `docker://127.0.0.1:${on.port}/${APP}:large`;
  const pushed = await skopeo("copy", "--dest-tls-verify=false", "--dest-creds", `v1:${PASSWORD}`, `oci:${layout}`, target);
  assert.notEqual(pushed.code, 0);
  assert.match(pushed.output, /507 Insufficient Storage: The disk is full/);
  assert.deepEqual(await leftovers(on.root), []);

  assert.equal(await (await on.request(`${APP}/manifests/before`)).text(), before.manifest);
  await pushImage(on, APP, { reference: "after" });
  assert.ok(on.events.some(({ level }) => level === "error"));
});

test("a client that wants its connection closed gets the answer, not a broken pipe", async () => {
  await using disk = await smallDisk("1m");
  await using on = await startRegistry({ root: disk.path });
  const begun = await on.request(`${APP}/blobs/uploads/`, { method: "POST" });
  const socket = connect(on.port, "127.0.0.1");
  const location = new URL(begun.headers.get("location") ?? "", on.url).pathname;
  const head = `PATCH ${location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${basic("v1")}\r\nContent-Length: 30000000\r\n\r\n`;
  socket.write(head);
  // More than the connection's buffers hold, so that most is sent after the answer. An error here fails the test.
  await pipeline(Readable.from(Array.from({ length: 300 }, () => randomBytes(100_000))), socket, { end: false });
  assert.match(await text(socket), /^HTTP\/1\.1 507 Insufficient Storage: The disk is full/);
});

async function smallDisk(size: string): Promise<{ path: string; outside: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "longshore-disk-"));
  const outside = await mkdtemp(join(tmpdir(), "longshore-layout-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "longshore-test", path]);
  return {
    path,
    outside,
    async [Symbol.asyncDispose]() {
      execFileSync("umount", [path]);
      await rm(path, { recursive: true });
      await rm(outside, { recursive: true });
    },
  };
}
