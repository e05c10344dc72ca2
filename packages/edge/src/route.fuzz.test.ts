import assert from "node:assert/strict";
import { test } from "node:test";
import { isHostName, parseRoutePattern } from "@longshore/contract";
import fc from "fast-check";
import { readAddress } from "./route.js";
import { RouteTable } from "./route-table.js";

/** Inputs in the suite; `npm run fuzz` sets many more. */
const RUNS = 2000;
const numRuns = fc.readConfigureGlobal().numRuns ?? RUNS;

const label = fc.constantFrom("a", "b", "example", "com", "*", "", "x-", "_s", "ü", "1");
const host = fc.array(label, { maxLength: 4 }).map((labels) => labels.join("."));
const path = fc
  .array(fc.constantFrom("/", "a", "b", "*", "?", "#", "%2f", "\0", " ", "\r\n", ".."), { maxLength: 5 })
  .map((parts) => parts.join(""));
const scheme = fc.constantFrom("", "http://", "https://", "ftp://", "//");
const pattern = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(scheme, host, path).map((parts) => parts.join("")) },
  fc.string({ unit: "binary", maxLength: 40 }),
);

test("whatever a target and a host are, an address is one that can be written into a request's line", () => {
  const value = fc.oneof(pattern, path, fc.string({ unit: "binary" }));
  const property = fc.property(value, fc.array(fc.oneof(host, fc.string()), { maxLength: 2 }), (target, hosts) => {
    const address = readAddress(
      target,
      hosts.flatMap((each) => ["Host", each]),
    );
    if (address === undefined) return;
    assert.match(address.path, /^\/[!-~\x80-\xff]*$/);
    assert.match(address.authority, /^[\w.:[\]-]+$/);
    assert.equal(address.host, address.host.toLowerCase());
  });
  fc.assert(property, { numRuns });
});

test("whatever patterns there are, a request goes to a script that has one for it, or by its name", () => {
  const property = fc.property(fc.array(pattern, { maxLength: 6 }), host, path, (routes, asked, rest) => {
    const scripts = routes.map((route, index) => ({
      name: `s${index}`,
      enabled: true,
      domains: isHostName(route) ? [route] : [],
      routes: [route],
    }));
    const found = new RouteTable("example.com", scripts).find("http", asked.toLowerCase(), `/${rest}`);
    if (found === undefined || "closed" in found || `${found.script}.example.com` === asked) return;
    const route = routes[Number(found.script.slice(1))];
    if (route === undefined) return;
    const parsed = parseRoutePattern(route);
    assert.ok(parsed !== undefined && asked.toLowerCase().endsWith(parsed.host), `${route} has ${asked}`);
  });
  fc.assert(property, { numRuns });
});
