import assert from "node:assert/strict";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { EgressPolicy } from "./policy.js";
import { globMatches, mayIntercept, mergeRules } from "./rules.js";

test("a port alone keeps what was said before; without a word there is no Internet", () => {
  const first = mergeRules(undefined, { port: 4000 });
  assert.deepEqual(first, { port: 4000, allowHostnames: [], internet: false });
  const second = mergeRules(first, { port: 4000, dns: { allowHostnames: ["a"] }, internet: { enabled: true } });
  assert.deepEqual(mergeRules(second, { port: 5000 }), {
    port: 5000,
    allowHostnames: ["a"],
    internet: true,
    unheard: true,
  });
  assert.equal(mergeRules(mergeRules(second, { port: 5000 }), { port: 5000, dns: {} }).unheard, true);
  assert.equal(mergeRules(mergeRules(second, { port: 5000 }), { port: 5000, internet: { enabled: true } }).unheard, undefined);
  assert.equal(mergeRules(second, { port: 4000, dns: {} }).unheard, undefined);
  assert.deepEqual(mergeRules(second, { port: 5000, dns: {} }).allowHostnames, []);
  for (const body of [undefined, {}, { port: 0 }, { port: 1, internet: { enabled: "yes" } }, { port: 1, dns: { allowHostnames: "*" } }]) {
    assert.throws(
      () => mergeRules(second, body),
      (error) => error instanceof LongshoreError && error.code === "INVALID_INPUT",
    );
  }
});

test("names are compared by glob", () => {
  assert.ok(globMatches("*.example.com", "a.b.example.com"));
  assert.ok(!globMatches("*.example.com", "example.com"));
  assert.ok(globMatches("api-*.x.*", "api-1.x.org"));
  assert.ok(!globMatches("a", "ab"));
  assert.ok(!globMatches(`${"*a".repeat(1_000)}b`, "a".repeat(2_000)));
  const rules = { port: 1, allowHostnames: ["My.Worker"], internet: true };
  assert.ok(mayIntercept(rules, "my.worker"));
  assert.ok(!mayIntercept(rules, undefined));
  assert.ok(mayIntercept({ ...rules, allowHostnames: ["*"] }, undefined));
});

test("only public addresses are dialled, and those that the operator allows", () => {
  const policy = new EgressPolicy(["10.1.0.0/16", "fd00:1::/32"]);
  for (const address of ["8.8.8.8", "2606:4700::1111", "10.1.2.3", "fd00:1::5"]) assert.ok(policy.permits(address), address);
  const forbidden = ["10.2.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1", "192.168.0.1", "172.31.0.1", "198.18.0.1"];
  const forbidden6 = ["::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:8.8.8.8", "::8.8.8.8", "::ffff:7f00:1", "64:ff9b::808:808"];
  for (const address of [...forbidden, ...forbidden6, "255.255.255.255", "2002:7f00:1::", "nonsense", ""]) {
    assert.ok(!policy.permits(address), address);
  }
  assert.throws(() => new EgressPolicy(["10.0.0.0/40"]), /"10.0.0.0\/40" is neither/);
});
