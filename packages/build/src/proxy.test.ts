import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFor } from "./proxy.js";

test("the proxy is used as the variables say, and never for this machine", () => {
  const proxy = { HTTPS_PROXY: "proxy.test:3128" };
  assert.equal(proxyFor("registry.test", 443, proxy)?.href, "http://proxy.test:3128/");
  assert.equal(proxyFor("registry.test", 443, {}), undefined);
  assert.equal(proxyFor("127.0.0.1", 5000, proxy), undefined);
  assert.equal(proxyFor("localhost", 5000, proxy), undefined);
});

test("exceptions: a name, all below it, one port, everything", () => {
  const exempt = (list: string, hostname: string, port = 443) =>
    proxyFor(hostname, port, { https_proxy: "http://p:1", no_proxy: list }) === undefined;
  assert.ok(exempt("a.test, registry.test", "registry.test"));
  assert.ok(exempt(".test", "registry.test"));
  assert.ok(exempt("test", "Registry.Test"));
  assert.ok(exempt("*", "registry.test"));
  assert.ok(exempt("registry.test:443", "registry.test"));
  assert.ok(!exempt("registry.test:8443", "registry.test"));
  assert.ok(!exempt("try.test", "registry.test"));
});
