import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Harness } from "./harness.js";
import { failed, succeeded, WranglerApp, type WranglerRelease } from "./wrangler.js";

/** What every wrangler shows of what is not there. */
export function wranglerRefusalsSuite(release: WranglerRelease): void {
  describe(`${release.label}, refused`, () => {
    let harness: Harness;
    let app: WranglerApp;
    before(async () => {
      harness = await Harness.start();
      app = await WranglerApp.create(harness, release, "refused");
      await app.write({ name: "refused" }, "export default { fetch: () => new Response() };");
    });
    after(() => harness[Symbol.asyncDispose]());
    const refused = async (...args: string[]) => failed(await app.run(args));

    test("D1: Time Travel and insights, with what to do instead", async () => {
      await harness.call("POST", "d1/database", { name: "base" });
      assert.match(await refused("d1", "time-travel", "info", "base"), /Time Travel of a D1 database is not served[\s\S]*d1 export/);
      const bookmark = `--bookmark=${"0".repeat(8)}`;
      assert.match(await refused("d1", "time-travel", "restore", "base", bookmark), /Time Travel of a D1 database is not served/);
      assert.match(await refused("d1", "insights", "base"), /D1 insights are not served by Longshore/);
    });

    test("queues: pulls by HTTP and subscriptions", async () => {
      await harness.call("POST", "queues", { queue_name: "jobs" });
      assert.match(await refused("queues", "consumer", "http", "add", "jobs"), /"http_pull" is not served/);
      const subscribe = ["create", "jobs", "--source", "r2", "--events", "bucket.created"];
      assert.match(await refused("queues", "subscription", ...subscribe), /event subscription of a queue is not served/);
      succeeded(await app.run(["queues", "subscription", "list", "jobs"]));
    });
  });
}
