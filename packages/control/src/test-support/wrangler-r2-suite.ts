import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { Harness } from "./harness.js";
import { WranglerApp, type WranglerRelease } from "./wrangler.js";

const NO_FACTS = { httpFields: {}, customFields: {} };
const EXPIRING = {
  id: "at once",
  enabled: true,
  conditions: { prefix: "tmp/" },
  deleteObjectsTransition: { condition: { type: "Age", maxAge: 0 } },
};
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

    test("a bucket's CORS, lifecycle and lock rules: set, listed, kept, removed", async () => {
      const bucket = (...args: string[]) => ["r2", "bucket", ...args];
      await succeeded(...bucket("create", "ruled"));
      assert.match(await failed(...bucket("cors", "list", "ruled")), /The CORS configuration does not exist[\s\S]*10059/);
      const cors = { allowed: { origins: ["https://app.example"], methods: ["GET", "PUT"], headers: ["x-a"] }, maxAgeSeconds: 60 };
      await writeFile(join(app.directory, "cors.json"), JSON.stringify({ rules: [cors] }));
      assert.match(await succeeded(...bucket("cors", "set", "ruled", "--file", "cors.json", "--force")), /Set CORS configuration/);
      await harness.restart();
      assert.match(await succeeded(...bucket("cors", "list", "ruled")), /https:\/\/app\.example[\s\S]*GET, PUT[\s\S]*60/);
      assert.deepEqual((await harness.objects.bucket("ruled")).cors, [cors]);
      await succeeded(...bucket("cors", "delete", "ruled", "--force"));
      await writeFile(join(app.directory, "cors.json"), JSON.stringify({ rules: [{ allowed: { origins: [], methods: ["BREW"] } }] }));
      assert.match(await failed(...bucket("cors", "set", "ruled", "--file", "cors.json", "--force")), /rules\[0\]|rules\.0/);

      assert.match(await succeeded(...bucket("lifecycle", "list", "ruled")), /Default Multipart Abort Rule[\s\S]*after 7 days/);
      await succeeded(
        ...bucket("lifecycle", "add", "ruled", "logs", "logs/", "--expire-days", "30", "--abort-multipart-days", "1", "--force"),
      );
      await succeeded(...bucket("lifecycle", "add", "ruled", "cold", "cold/", "--ia-transition-date", "2030-01-01", "--force"));
      const listed = await succeeded(...bucket("lifecycle", "list", "ruled"));
      assert.match(listed, /logs\/[\s\S]*Expire objects after 30 days, Abort incomplete multipart uploads after 1 days/);
      assert.match(listed, /Transition to Infrequent Access on 2030-01-01/);
      await succeeded(...bucket("lifecycle", "remove", "ruled", "--name", "logs"));
      await writeFile(join(app.directory, "lifecycle.json"), JSON.stringify({ rules: [EXPIRING] }));
      await succeeded(...bucket("lifecycle", "set", "ruled", "--file", "lifecycle.json", "--force"));
      await harness.objects.put("ruled", "tmp/a", Readable.from([]), NO_FACTS);
      await harness.objects.put("ruled", "kept/a", Readable.from([]), NO_FACTS);
      await harness.objects.sweep();
      assert.deepEqual(
        (await harness.objects.list("ruled", {})).objects.map(({ key }) => key),
        ["kept/a"],
      );

      await succeeded(...bucket("lock", "add", "ruled", "records", "kept/", "--retention-days", "1", "--force"));
      assert.match(await succeeded(...bucket("lock", "list", "ruled")), /records[\s\S]*kept\/[\s\S]*after 1 day/);
      assert.match(await failed("r2", "object", "delete", "ruled/kept/a", "--remote"), /locked by the bucket policy[\s\S]*10069/);
      await writeFile(join(app.directory, "empty"), "");
      assert.match(await failed("r2", "object", "put", "ruled/kept/a", "--remote", "--file", "empty"), /locked by the bucket policy/);
      await succeeded(...bucket("lock", "remove", "ruled", "--name", "records"));
      await succeeded("r2", "object", "delete", "ruled/kept/a", "--remote");
      await succeeded(...bucket("delete", "ruled"));
    });

    test("what Cloudflare has around its buckets and Longshore has not is refused, and says what to do instead", async () => {
      const bucket = (...args: string[]) => ["r2", "bucket", ...args];
      await succeeded(...bucket("create", "plain"));
      const rows: [string[], RegExp][] = [
        [["domain", "add", "plain", "--domain", "files.example", "--zone-id", "0".repeat(32), "--force"], /custom domain of an R2 bucket/],
        [["dev-url", "enable", "plain", "--force"], /public address of an R2 bucket/],
        [["catalog", "enable", "plain"], /R2 Data Catalog/],
      ];
      for (const [args, what] of rows)
        assert.match(await failed(...bucket(...args)), new RegExp(`${what.source}[\\s\\S]*not served by Longshore`));
      assert.match(await succeeded(...bucket("dev-url", "get", "plain")), /disabled/);
      assert.match(await succeeded(...bucket("domain", "list", "plain")), /no custom domains/);
      assert.match(await succeeded(...bucket("sippy", "get", "plain")), /plain/);
      await harness.call("POST", "queues", { queue_name: "events" });
      const notify = ["notification", "create", "plain", "--event-type", "object-create", "--queue", "events"];
      assert.match(await failed(...bucket(...notify)), /notification of an R2 bucket's events is not served by Longshore/);
      await succeeded(...bucket("notification", "list", "plain"));
      await succeeded(...bucket("delete", "plain"));
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
