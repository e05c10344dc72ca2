import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { Harness } from "./harness.js";
import { failed, succeeded, WranglerApp, type WranglerRelease } from "./wrangler.js";

const NO_FACTS = { httpFields: {}, customFields: {} };
const CORS = { allowed: { origins: ["https://app.example"], methods: ["GET", "PUT"], headers: ["x-a"] }, maxAgeSeconds: 60 };
const EXPIRING = {
  id: "at once",
  enabled: true,
  conditions: { prefix: "tmp/" },
  deleteObjectsTransition: { condition: { type: "Age", maxAge: 0 } },
};

/** What wrangler says about R2 buckets, for every wrangler. */
export function wranglerR2RulesSuite(release: WranglerRelease): void {
  describe(`${release.label} and the rules of R2's buckets`, () => {
    let harness: Harness;
    let app: WranglerApp;
    before(async () => {
      harness = await Harness.start();
      app = await WranglerApp.create(harness, release, "rules");
      await app.write({ name: "rules" }, "export default { fetch: () => new Response() };");
      await harness.call("POST", "r2/buckets", { name: "ruled" });
    });
    after(() => harness[Symbol.asyncDispose]());
    const bucket = async (...args: string[]) => succeeded(await app.run(["r2", "bucket", ...args]));
    const refused = async (...args: string[]) => failed(await app.run(["r2", "bucket", ...args]));
    const file = async (name: string, rules: readonly unknown[]) => {
      await writeFile(join(app.directory, name), JSON.stringify({ rules }));
      return ["--file", name, "--force"];
    };

    test("CORS: set, listed after a restart, deleted; what is no rule changes nothing", async () => {
      assert.match(await refused("cors", "list", "ruled"), /The CORS configuration does not exist[\s\S]*10059/);
      await bucket("cors", "set", "ruled", ...(await file("cors.json", [CORS])));
      const wrong = { allowed: { origins: [], methods: ["BREW"] } };
      assert.match(await refused("cors", "set", "ruled", ...(await file("wrong.json", [wrong]))), /methods/);
      await harness.restart();
      assert.match(await bucket("cors", "list", "ruled"), /https:\/\/app\.example[\s\S]*GET, PUT[\s\S]*60/);
      assert.deepEqual((await harness.objects.bucket("ruled")).cors, [CORS]);
      await bucket("cors", "delete", "ruled", "--force");
      assert.deepEqual((await harness.objects.bucket("ruled")).cors, []);
    });

    test("lifecycle: the default, added, removed, set, and done", async () => {
      await bucket("lifecycle", "add", "ruled", "logs", "logs/", "--expire-days", "30", "--abort-multipart-days", "1", "--force");
      await bucket("lifecycle", "add", "ruled", "cold", "cold/", "--ia-transition-date", "2030-01-01", "--force");
      const listed = await bucket("lifecycle", "list", "ruled");
      assert.match(listed, /Default Multipart Abort Rule[\s\S]*after 7 days/);
      assert.match(listed, /logs\/[\s\S]*Expire objects after 30 days, Abort incomplete multipart uploads after 1 days/);
      assert.match(listed, /Transition to Infrequent Access on 2030-01-01/);
      await bucket("lifecycle", "remove", "ruled", "--name", "logs");
      assert.deepEqual(
        (await harness.objects.bucket("ruled")).lifecycle?.map(({ id }) => id),
        ["Default Multipart Abort Rule", "cold"],
      );
      await bucket("lifecycle", "set", "ruled", ...(await file("lifecycle.json", [EXPIRING])));
      for (const key of ["tmp/a", "kept/a"]) await harness.objects.put("ruled", key, Readable.from([]), NO_FACTS);
      await harness.objects.sweep();
      assert.deepEqual(
        (await harness.objects.list("ruled", {})).objects.map(({ key }) => key),
        ["kept/a"],
      );
    });

    test("locks: added, listed, obeyed, removed", async () => {
      const object = (...args: string[]) => app.run(["r2", "object", ...args, "--remote"]);
      await bucket("lock", "add", "ruled", "records", "kept/", "--retention-days", "1", "--force");
      assert.match(await bucket("lock", "list", "ruled"), /records[\s\S]*kept\/[\s\S]*after 1 day/);
      assert.match(failed(await object("delete", "ruled/kept/a")), /10069[\s\S]*locked by the bucket policy/);
      await writeFile(join(app.directory, "empty"), "");
      assert.match(failed(await object("put", "ruled/kept/a", "--file", "empty")), /locked by the bucket policy/);
      await bucket("lock", "remove", "ruled", "--name", "records");
      succeeded(await object("delete", "ruled/kept/a"));
    });

    test("what Cloudflare has around its buckets and Longshore has not is refused, and says so", async () => {
      const rows: [string[], string][] = [
        [["domain", "add", "ruled", "--domain", "files.example", "--zone-id", "0".repeat(32), "--force"], "custom domain of an R2 bucket"],
        [["dev-url", "enable", "ruled", "--force"], "public address of an R2 bucket"],
        [["catalog", "enable", "ruled"], "R2 Data Catalog"],
      ];
      for (const [args, what] of rows) assert.match(await refused(...args), new RegExp(`${what}[\\s\\S]*not served by Longshore`));
      await harness.call("POST", "queues", { queue_name: "events" });
      const notify = ["notification", "create", "ruled", "--event-type", "object-create", "--queue", "events"];
      assert.match(await refused(...notify), /notification of an R2 bucket's events is not served by Longshore/);
      assert.match(await bucket("domain", "list", "ruled"), /no custom domains/);
      assert.match(await bucket("sippy", "get", "ruled"), /enabled: false/);
    });
  });
}
