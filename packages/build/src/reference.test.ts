import assert from "node:assert/strict";
import { test } from "node:test";
import { familiarName, fullName, isLoopbackHost } from "./reference.js";

const DIGEST = `sha256:${"a".repeat(64)}`;

test("short names are written out as Docker does it", () => {
  const cases: readonly [text: string, full: string][] = [
    ["busybox", "docker.io/library/busybox:latest"],
    ["node:20-slim", "docker.io/library/node:20-slim"],
    ["cloudflare-dev/web:1a2b", "docker.io/cloudflare-dev/web:1a2b"],
    ["docker.io/busybox", "docker.io/library/busybox:latest"],
    ["index.docker.io/library/busybox:1", "docker.io/library/busybox:1"],
    ["localhost/x", "localhost/x:latest"],
    ["127.0.0.1:5000/acc/x:1", "127.0.0.1:5000/acc/x:1"],
    ["ghcr.io/a/b/c", "ghcr.io/a/b/c:latest"],
    [`a/b:tag@${DIGEST}`, `docker.io/a/b@${DIGEST}`],
  ];
  for (const [text, full] of cases) assert.equal(fullName(text), full);
});

test("what is no reference is refused", () => {
  for (const text of ["", "UPPER", "a:b:c/d", "a@sha256:12", "a//b", "-a", "a:", "http://x/y"]) {
    assert.throws(() => fullName(text), { code: "INVALID_INPUT" }, text);
  }
});

test("names are shown as Docker shows them", () => {
  assert.equal(familiarName("docker.io/library/busybox:latest"), "busybox:latest");
  assert.equal(familiarName("docker.io/cloudflare-dev/web:1"), "cloudflare-dev/web:1");
  assert.equal(familiarName("127.0.0.1:5000/docker.io/x:1"), "127.0.0.1:5000/docker.io/x:1");
});

test("loopback is this machine and nothing that only looks like it", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000", "registry.localhost:1"]) {
    assert.ok(isLoopbackHost(host), host);
  }
  for (const host of ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1:5000", "docker.io", "notlocalhost"]) {
    assert.ok(!isLoopbackHost(host), host);
  }
});
