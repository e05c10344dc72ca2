import assert from "node:assert/strict";
import { test } from "node:test";
import { Harness } from "./test-support/harness.js";
import { WRANGLER_4_86, WRANGLER_4_164, WranglerApp, type WranglerResult } from "./test-support/wrangler.js";

function succeeded({ code, output }: WranglerResult): string {
  assert.equal(code, 0, output);
  return output;
}

function failed({ code, output }: WranglerResult): string {
  assert.notEqual(code, 0, output);
  return output;
}

const code = (word: string): string => `export default { fetch() { return new Response(${JSON.stringify(word)}); } };`;

for (const release of [WRANGLER_4_86, WRANGLER_4_164]) {
  test(`${release.label}: custom domains and routes are set, replaced, refused when another Worker has them, gone with the Worker`, async () => {
    await using harness = await Harness.start();
    const [first, second] = [await WranglerApp.create(harness, release, "web"), await WranglerApp.create(harness, release, "web2")];
    const domain = (pattern: string) => ({ pattern, custom_domain: true });
    const shop = [domain("shop.example.com"), "example.com/api/*", { pattern: "*.example.com/*", zone_name: "example.com" }];
    await first.write({ name: "web", routes: shop }, code("web"));
    assert.match(succeeded(await first.run(["deploy"])), /shop\.example\.com \(custom domain\)/);
    const own = { name: "web", enabled: false, domains: ["shop.example.com"], routes: ["example.com/api/*", "*.example.com/*"] };
    assert.deepEqual(harness.published, [own]);
    await first.write({ name: "web", workers_dev: true, routes: [domain("new.example.com"), ...shop.slice(1)] }, code("web"));
    succeeded(await first.run(["deploy"]));
    assert.deepEqual(harness.published, [{ ...own, enabled: true, domains: ["new.example.com"] }]);

    await second.write({ name: "web2", workers_dev: true, routes: [domain("new.example.com")] }, code("web2"));
    const domainOutput = failed(await second.run(["deploy"]));
    assert.match(domainOutput, /The custom domain new\.example\.com belongs to the Worker "web"\. Take it from that one first/);
    await second.write({ name: "web2", workers_dev: true, routes: ["example.com/api/*"] }, code("web2"));
    const routeOutput = failed(await second.run(["deploy"]));
    assert.match(routeOutput, /The route example\.com\/api\/\* belongs to the Worker "web"\./);
    succeeded(await first.run(["delete", "--force"]));
    succeeded(await second.run(["deploy"]));
    assert.deepEqual(harness.published, [{ name: "web2", enabled: true, domains: [], routes: ["example.com/api/*"] }]);
    succeeded(await second.run(["delete", "--force"]));
  });
}
