import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { Harness } from "./harness.js";
import { WranglerApp, type WranglerRelease } from "./wrangler.js";

const CODE = "export default { fetch: () => new Response() };";
/** As large as wrangler sends at once is 300 MB; this is large enough to come in many pieces. */
const LARGE_BYTES = 20_000_000;

/** What R2 must do for every wrangler. */
export function wranglerR2Suite(release: WranglerRelease): void {
  describe(`${release.label} and R2`, () => {
    let harness: Harness;
    let app: WranglerApp;
    before(async () => {
      harness = await Harness.start();
      app = await WranglerApp.create(harness, release, "r2app");
      await app.write({ name: "r2app" }, CODE);
    });
    after(() => harness[Symbol.asyncDispose]());
    const succeeded = async (...args: string[]): Promise<string> => {
      const { code, output } = await app.run(args);
      assert.equal(code, 0, output);
      return output;
    };
    const failed = async (...args: string[]): Promise<string> => {
      const { code, output } = await app.run(args);
      assert.notEqual(code, 0, output);
      return output;
    };

    test("buckets: create, list, info, update, delete", async () => {
      assert.match(await succeeded("r2", "bucket", "create", "box", "--location", "weur"), /Created bucket 'box'/);
      assert.match(await failed("r2", "bucket", "create", "box"), /already exists[\s\S]*10004/);
      assert.match(await succeeded("r2", "bucket", "list"), /name: +box/);
      await succeeded("r2", "bucket", "update", "storage-class", "box", "--storage-class", "InfrequentAccess");
      await harness.objects.put("box", "k", Readable.from([]), { httpFields: {}, customFields: {} });
      assert.match(await succeeded("r2", "bucket", "info", "box"), /object_count: +1\n[\s\S]*bucket_size: +\d+ B|bucket_size/);
      assert.match(await succeeded("r2", "bucket", "info", "box"), /InfrequentAccess/);
      assert.match(await failed("r2", "bucket", "delete", "box"), /not empty[\s\S]*10008/);
      await harness.objects.delete("box", ["k"]);
      await succeeded("r2", "bucket", "delete", "box");
      assert.match(await failed("r2", "bucket", "info", "box"), /10006/);
    });

    test("objects: put, get, delete; large ones, any key, what is said about them", async () => {
      await succeeded("r2", "bucket", "create", "objects");
      const large = randomBytes(LARGE_BYTES);
      await writeFile(join(app.directory, "large.bin"), large);
      const put = ["r2", "object", "put", "objects/dir/large ü.bin", "--remote", "--file", "large.bin"];
      await succeeded(...put, "--content-type", "image/x", "--cache-control", "no-store", "--storage-class", "InfrequentAccess");
      const stored = await harness.objects.get("objects", "dir/large ü.bin");
      assert.ok(stored !== undefined && (await buffer(stored.body)).equals(large));
      assert.deepEqual(stored.object.httpFields, { contentType: "image/x", cacheControl: "no-store" });
      assert.equal(stored.object.storageClass, "InfrequentAccess");
      await succeeded("r2", "object", "get", "objects/dir/large ü.bin", "--remote", "--file", "back.bin");
      assert.ok((await readFile(join(app.directory, "back.bin"))).equals(large));
      await writeFile(join(app.directory, "empty"), "");
      await succeeded("r2", "object", "put", "objects/empty", "--remote", "--file", "empty");
      assert.equal((await harness.objects.get("objects", "empty"))?.object.size, 0);
      await succeeded("r2", "object", "delete", "objects/dir/large ü.bin", "--remote");
      assert.match(await failed("r2", "object", "get", "objects/dir/large ü.bin", "--remote", "--file", "x"), /does not exist/);
      assert.match(await failed("r2", "object", "put", "nowhere/k", "--remote", "--file", "empty"), /bucket does not exist/);
    });

    test("deploy: a bucket that is not there is made; the binding stays when it is not named again", async () => {
      await app.write({ name: "r2app", r2_buckets: [{ binding: "BOX", bucket_name: "made-by-deploy" }] }, CODE);
      await succeeded("deploy");
      assert.deepEqual(harness.workers.binding("r2app", "BOX"), { type: "r2_bucket", name: "BOX", bucketName: "made-by-deploy" });
      assert.match(await succeeded("r2", "bucket", "list"), /made-by-deploy/);
      await app.write({ name: "r2app", r2_buckets: [{ binding: "BOX", bucket_name: "made-by-deploy" }, { binding: "AUTO" }] }, CODE);
      await succeeded("deploy");
      const auto = harness.workers.binding("r2app", "AUTO");
      assert.match(JSON.stringify(auto), /"type":"r2_bucket","name":"AUTO","bucketName":"[a-z0-9-]{3,63}"/);
      await succeeded("deploy");
      assert.deepEqual(harness.workers.binding("r2app", "AUTO"), auto);
      await succeeded("delete", "--force");
    });
  });
}
