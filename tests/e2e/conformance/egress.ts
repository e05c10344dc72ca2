import assert from "node:assert/strict";
import { rows } from "./row.js";

const REFUSED = /^520 Origin is disallowed/;

/** Outbound traffic: no internet, some hosts allowed and denied, handlers for a host, for a pattern, for all, HTTPS intercepted. */
export const egressRows = rows("egress", {
  "a denied host": async (side) => {
    assert.match(await (await side.shared("Fenced")).outside("http://denied.com/"), REFUSED);
  },
  "a host that is not allowed": async (side) => {
    assert.match(await (await side.shared("Fenced")).outside("http://random.com/"), REFUSED);
  },
  "`outboundByHost`, with bindings, class and container id": async (side) => {
    assert.equal(await (await side.shared("Fenced")).outside("http://by-host.com/"), "200 by host the Worker's Fenced 64");
  },
  "`outbound` for an allowed host without a handler of its own": async (side) => {
    assert.equal(await (await side.shared("Fenced")).outside("http://allowed.com/"), "200 catch-all allowed.com");
  },
  "the same over HTTPS": async (side) => {
    assert.equal(await (await side.shared("Fenced")).outside("https://allowed.com/"), "200 catch-all allowed.com");
  },
  "a pattern has subdomains of any depth": async (side) => {
    const box = await side.shared("Fenced");
    assert.equal(await box.outside("http://api.glob.com/"), "200 by glob api.glob.com");
    assert.equal(await box.outside("http://a.b.glob.com/"), "200 by glob a.b.glob.com");
  },
  "and not the domain itself": async (side) => {
    assert.match(await (await side.shared("Fenced")).outside("http://glob.com/"), REFUSED);
  },
  "`denyHost`, also with a dot behind the name": async (side) => {
    const box = side.fresh("Fenced");
    await box.call("denyHost", "allowed.com");
    assert.match(await box.outside("http://allowed.com./"), REFUSED);
  },
  "`denyHost` and `removeDeniedHost` while it runs": async (side) => {
    const box = side.fresh("Fenced");
    assert.match(await box.outside("http://allowed.com/"), /^200/);
    await box.call("denyHost", "allowed.com");
    assert.match(await box.outside("http://allowed.com/"), REFUSED);
    await box.call("removeDeniedHost", "allowed.com");
    assert.match(await box.outside("http://allowed.com/"), /^200/);
  },
  "`allowHost` and `removeAllowedHost` while it runs": async (side) => {
    const box = side.fresh("Fenced");
    assert.match(await box.outside("http://random.com/"), REFUSED);
    await box.call("allowHost", "random.com");
    assert.equal(await box.outside("http://random.com/"), "200 catch-all random.com");
    await box.call("removeAllowedHost", "random.com");
    assert.match(await box.outside("http://random.com/"), REFUSED);
  },
  "`setOutboundByHost` with parameters goes before `outboundByHost`, until it is removed": async (side) => {
    const box = side.fresh("Fenced");
    await box.started();
    await box.call("setOutboundByHost", "by-host.com", "named", { word: "parameter" });
    assert.equal(await box.outside("http://by-host.com/"), "200 named parameter");
    await box.call("removeOutboundByHost", "by-host.com");
    assert.match(await box.outside("http://by-host.com/"), /^200 by host/);
  },
  "`setOutboundHandler` goes before `outbound`": async (side) => {
    const box = side.fresh("Fenced");
    await box.started();
    await box.call("setOutboundHandler", "named", { word: "for all" });
    assert.equal(await box.outside("http://allowed.com/"), "200 named for all");
  },
  "`enableInternet = false` without a handler": async (side) => {
    assert.match(await side.fresh("Closed").outside("http://example.com/"), /^(failed|520)/);
  },
});
