import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClassHandlers, decide, type OutboundPolicy, STEPS } from "./precedence.js";

const handler = (name: string) => Object.assign(() => new Response(), { of: name });
const handlers: ClassHandlers = {
  outbound: handler("outbound"),
  outboundByHost: { "host.com": handler("outboundByHost") },
  outboundHandlers: { named: handler("named"), other: handler("other") },
};
const none: ClassHandlers = {};
const bare: OutboundPolicy = { internet: false, allowed: undefined, denied: undefined, byHost: [], catchAll: undefined };
const byHost: OutboundPolicy["byHost"] = [["host.com", { method: "named" }]];

test("the nine steps, each where the one before has nothing to say", () => {
  const rows: Array<[step: string, kind: string, policy: Partial<OutboundPolicy>, handlers: ClassHandlers]> = [
    ["deniedHosts", "deny", { denied: ["host.com"], allowed: ["host.com"], byHost, internet: true }, handlers],
    ["allowedHosts", "deny", { denied: ["x"], allowed: ["other.com"], byHost, internet: true }, handlers],
    ["allowedHosts", "deny", { allowed: [], byHost, internet: true }, handlers],
    ["setOutboundByHost", "named", { denied: [], allowed: ["host.com"], byHost, catchAll: { method: "other" }, internet: true }, handlers],
    ["outboundByHost", "outboundByHost", { allowed: ["*"], byHost: [["x", { method: "named" }]], catchAll: { method: "other" } }, handlers],
    ["setOutboundHandler", "other", { catchAll: { method: "other" }, internet: true }, { ...handlers, outboundByHost: {} }],
    ["outbound", "outbound", { allowed: ["host.com"], internet: true }, { ...handlers, outboundByHost: undefined }],
    ["allowedHosts, no handler", "internet", { allowed: ["host.com"] }, none],
    ["enableInternet", "internet", { internet: true }, none],
    ["nothing allows it", "deny", {}, none],
  ];
  for (const [step, kind, policy, given] of rows) {
    const decision = decide({ ...bare, ...policy }, given, "host.com");
    const got = decision.kind === "handler" ? (decision.handler as unknown as { of: string }).of : decision.kind;
    assert.deepEqual([decision.step, got], [step, kind], JSON.stringify(policy));
  }
  assert.deepEqual(
    [...new Set(rows.map(([step]) => step))],
    STEPS.map(([name]) => name),
  );
});

test("a rule whose handler is gone refuses, rather than letting through what it had guarded", () => {
  for (const method of ["gone", "constructor", "__proto__"]) {
    assert.equal(decide({ ...bare, internet: true, byHost: [["host.com", { method }]] }, handlers, "host.com").kind, "deny");
    assert.equal(decide({ ...bare, internet: true, catchAll: { method } }, { outboundHandlers: {} }, "host.com").kind, "deny");
  }
});

test("hosts that are names of object properties are hosts like others", () => {
  for (const host of ["constructor", "__proto__", "toString"]) {
    assert.equal(decide({ ...bare, internet: true }, { outboundByHost: {} }, host).step, "enableInternet");
  }
});
