import assert from "node:assert/strict";
import { test } from "node:test";
import { type PublishedScript, parseRoutePattern } from "@longshore/contract";
import { RouteTable } from "./route-table.js";

const script = (name: string, changes: Partial<PublishedScript> = {}): PublishedScript => ({
  name,
  enabled: true,
  domains: [],
  routes: [],
  ...changes,
});

const table = new RouteTable("apps.test", [
  script("any", { routes: ["*/*"] }),
  script("wild", { routes: ["*.example.com/*", "*example.org/*", "*.deep.example.com/only"] }),
  script("shop", { domains: ["example.com", "shop.example.com"], enabled: false }),
  script("api", { routes: ["example.com/api/*", "example.com/api/v1/*", "https://example.com/secure", "example.com/exact"] }),
  script("v2", { routes: ["example.com/api/v2*"] }),
]);

const at = (url: string): string | undefined => {
  const { protocol, hostname, pathname, search } = new URL(url);
  const found = table.find(protocol === "https:" ? "https" : "http", hostname, pathname + search);
  return found === undefined ? undefined : "closed" in found ? `closed ${found.closed}` : found.script;
};

for (const [url, expected] of [
  ["http://example.com/", "shop"],
  ["http://example.com/apix", "shop"],
  ["http://example.com/api/", "api"],
  ["http://example.com/api", "shop"],
  ["http://example.com/api/v1/x?y", "api"],
  ["http://example.com/api/v2", "v2"],
  ["http://example.com/api/v2/x", "v2"],
  ["http://example.com/exact", "api"],
  ["http://example.com/exact?query", "api"],
  ["http://example.com/exact/", "shop"],
  ["https://example.com/secure", "api"],
  ["http://example.com/secure", "shop"],
  ["http://shop.example.com/api/", "shop"],
  ["http://x.example.com/", "wild"],
  ["http://x.y.example.com/", "wild"],
  ["http://x.deep.example.com/only", "wild"],
  ["http://example.org/", "wild"],
  ["http://myexample.org/", "wild"],
  ["http://notexample.com/", "any"],
  ["http://api.apps.test/", "any"],
] as const) {
  test(`${url} is ${expected}'s`, () => assert.equal(at(url), expected));
}

test("without a matching route the Worker's own name counts, unless that is switched off", () => {
  const own = new RouteTable("apps.test", [
    script("on"),
    script("off", { enabled: false, domains: ["off.apps.test"] }),
    script("shut", { enabled: false }),
  ]);
  assert.deepEqual(own.find("http", "on.apps.test", "/"), { script: "on" });
  // Not published yet: it is being deployed just now.
  assert.deepEqual(own.find("http", "new.apps.test", "/"), { script: "new" });
  assert.deepEqual(own.find("http", "off.apps.test", "/"), { script: "off" });
  assert.deepEqual(own.find("http", "shut.apps.test", "/"), { closed: "shut" });
  assert.equal(own.find("http", "a.on.apps.test", "/"), undefined);
});

test("what is no pattern is none, and serves nothing", () => {
  for (const text of ["", "/", "a b/*", "*.*/x", "x/*/y", "x?y", "x/#", `${"x".repeat(2049)}`, "*.", "*-/"]) {
    const parsed = parseRoutePattern(text);
    if (text === "*-/") assert.equal(parsed?.host, "-");
    else assert.equal(parsed, undefined, text);
  }
  assert.equal(new RouteTable("apps.test", [script("bad", { routes: ["x/*/y"] })]).find("http", "x", "/a/y"), undefined);
});
