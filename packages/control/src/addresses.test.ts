import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ACCOUNT, Harness, scriptForm } from "./test-support/harness.js";

let harness: Harness;
before(async () => {
  harness = await Harness.start();
  for (const name of ["one", "two"]) assert.equal((await harness.call("PUT", `workers/scripts/${name}`, scriptForm({}))).status, 200);
});
after(() => harness[Symbol.asyncDispose]());

const records = (script: string, ...hostnames: string[]) =>
  harness.call("PUT", `workers/scripts/${script}/domains/records`, {
    override_existing_origin: true,
    origins: hostnames.map((hostname) => ({ hostname })),
  });

test("custom domains survive a restart, are planned before they are changed, and can be taken away", async () => {
  assert.equal((await records("one", "A.example.com.", "b.example.com")).status, 200);
  await harness.restart();
  await harness.control.resume(new AbortController().signal);
  assert.deepEqual(harness.published[0]?.domains, ["a.example.com", "b.example.com"]);
  const plan = (await harness.call("POST", "workers/scripts/one/domains/changeset?replace_state=true", [
    { hostname: "b.example.com" },
    { hostname: "c.example.com", previews_enabled: true },
  ])) as { result: Record<string, { hostname: string }[]> };
  const hosts = (name: string) => plan.result[name]?.map(({ hostname }) => hostname);
  assert.deepEqual(
    [hosts("added"), hosts("removed"), hosts("updated"), hosts("conflicting")],
    [["c.example.com"], ["a.example.com"], ["b.example.com"], []],
  );
  const [listed] = (await harness.call("GET", "workers/domains/records?service=one")).result;
  assert.deepEqual([listed.hostname, listed.service], ["a.example.com", "one"]);
  assert.equal((await harness.call("GET", `workers/domains/records/${listed.id}`)).result.hostname, "a.example.com");
  assert.equal((await harness.call("DELETE", `workers/domains/${listed.id}`)).status, 200);
  assert.equal((await harness.call("DELETE", `workers/domains/${listed.id}`)).status, 404);
  assert.deepEqual(harness.published[0]?.domains, ["b.example.com"]);
  assert.deepEqual((await harness.call("GET", "workers/domains?service=two")).result, []);
});

test("what another script has is refused, and nothing changes; what is switched off is kept and not served", async () => {
  const taken = await records("two", "new.example.com", "b.example.com");
  assert.equal(taken.status, 409);
  assert.match(taken.errors[0]?.message ?? "", /custom domain b\.example\.com belongs to the Worker "one"/);
  assert.deepEqual(harness.published[1]?.domains, []);
  await harness.call("PUT", "workers/scripts/one/domains/records", { origins: [{ hostname: "b.example.com", enabled: false }] });
  assert.deepEqual(harness.published[0]?.domains, []);
  assert.equal((await records("two", "b.example.com")).status, 409);
  // At the same time only one of two can be first.
  const both = await Promise.all([records("one", "race.example.com"), records("two", "race.example.com")]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409]);
});

test("names and patterns that make no sense are refused by name", async () => {
  for (const hostname of ["*.example.com", "a b", "", "example.com/x", "a..b", "1.2.3.4", "x:80", "ü.example", `${"a".repeat(64)}.com`]) {
    assert.equal((await records("one", hostname)).status, 400, hostname);
  }
  assert.equal((await records("one", "x.example.com", "X.example.com")).status, 400);
  const patterns = ["", "a*b/", "example.com/*/x", "example.com/?q=1", "*.*.com/*", "ftp://a/*", "example.com:80/*", "/x", "*./*"];
  for (const pattern of patterns) {
    const answer = await harness.call("PUT", "workers/scripts/one/routes", [{ pattern }]);
    assert.equal(answer.status, 400, pattern);
    assert.ok(answer.errors[0]?.message.startsWith(`"${pattern}" cannot be a route.`));
  }
  const fine = ["example.com", "example.com/*", "*.example.com/a/*", "*example.com/", "https://example.com/x", "*/*"];
  assert.equal((await harness.call("PUT", "workers/scripts/one/routes", fine)).status, 200);
  assert.deepEqual(harness.published.find(({ name }) => name === "one")?.routes, fine);
});

test("any name is a zone, and each zone lists all routes", async () => {
  const [zone] = (await harness.call("GET", `/zones?name=sub.example.com&account.id=${ACCOUNT}`)).result;
  assert.match(zone.id, /^[0-9a-f]{32}$/);
  assert.equal(zone.name, "sub.example.com");
  const routes = (await harness.call("GET", `/zones/${zone.id}/workers/routes`)).result;
  assert.deepEqual(
    routes.map(({ pattern, script }: { pattern: string; script: string }) => `${script} ${pattern}`),
    ["example.com", "example.com/*", "*.example.com/a/*", "*example.com/", "https://example.com/x", "*/*"].map((each) => `one ${each}`),
  );
});
