import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalHost, findByHost, matchesHost } from "./host-pattern.js";

const matches = (pattern: string, host: string) => matchesHost(canonicalHost(pattern), canonicalHost(host));

test("names, globs, addresses and networks match what they name", () => {
  const rows: Array<[pattern: string, yes: string[], no: string[]]> = [
    [
      "example.com",
      ["example.com", "EXAMPLE.com.", "example.com:80", "example.com:443"],
      ["sub.example.com", "example.com.evil.net", "xexample.com"],
    ],
    ["*.example.com", ["api.example.com", "a.b.example.com"], ["example.com", "api.example.com.evil.net", "xexample.com"]],
    ["google.*", ["google.com", "google.co.uk"], ["maps.google.com"]],
    ["api.*.com", ["api.stripe.com"], ["api.stripe.co.uk", "api.com"]],
    ["a*b*c", ["abc", "a1b2c"], ["acb", "ab"]],
    ["*", ["anything", "10.0.0.1", "[::1]"], []],
    ["Bücher.example", ["xn--bcher-kva.example"], ["bucher.example"]],
    ["127.0.0.1", ["127.0.0.1", "127.1", "2130706433", "0x7f.1"], ["127.0.0.2", "127.0.0.1.example.com"]],
    ["2001:DB8:0::1", ["[2001:db8::1]", "2001:db8:0:0:0:0:0:1"], ["[2001:db8::2]"]],
    ["141.101.64.0/18", ["141.101.64.0", "141.101.127.255"], ["141.101.128.0", "141.101.63.255", "example.com"]],
    ["10.0.0.0/8", ["10.255.0.1", "[::ffff:10.1.2.3]"], ["11.0.0.0", "[::a00:1]"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["[2001:db8::1]", "example.com"]],
    ["2001:db8::/32", ["[2001:db8:ffff::1]"], ["[2001:db9::1]", "1.2.3.4"]],
    ["2001:db8:1:2:3:4:5:80", ["[2001:db8:1:2:3:4:5:80]"], ["[2001:db8:1:2:3:4:5:443]"]],
    ["::/0", ["[2001:db8::1]"], ["1.2.3.4"]],
    ["10.0.0.0/33", [], ["10.0.0.0"]],
    ["10.0.0.0/x", [], ["10.0.0.0"]],
  ];
  for (const [pattern, yes, no] of rows) {
    for (const host of yes) assert.ok(matches(pattern, host), `${pattern} should match ${host}`);
    for (const host of no) assert.ok(!matches(pattern, host), `${pattern} should not match ${host}`);
  }
});

test("an exact name goes before a glob, and of two globs the first counts", () => {
  const entries = [
    ["*.example.com", 1],
    ["api.*", 2],
    ["api.example.com", 3],
  ] as const;
  assert.deepEqual(
    ["api.example.com", "x.example.com", "api.net", "constructor", "__proto__"].map((host) => findByHost(entries, host)),
    [3, 1, 2, undefined, undefined],
  );
});

test("a pattern of many stars takes no longer than its length", () => {
  assert.equal(matches(`${"*a".repeat(5000)}b`, "a".repeat(50_000)), false);
});
