import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ContainersError } from "../api/errors.js";
import { mergeConfiguration } from "./application-input.js";
import { resolveConfiguration } from "./configuration.js";
import { localReference, parseImage } from "./image-reference.js";

const ACCOUNT = "0123456789abcdef0123456789abcdef";
const HEX = "ab".repeat(32);

function refused(error: string, field: string, pattern: RegExp): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof ContainersError && thrown.error === error && pattern.test(thrown.fields[field] ?? "");
}

describe("resolveConfiguration", () => {
  test("a named type becomes its numbers", () => {
    assert.deepEqual(resolveConfiguration({ image: "x", instance_type: "standard-2" }), {
      image: "x",
      vcpu: 1,
      memory_mib: 6144,
      disk: { size_mb: 12000 },
    });
  });

  for (const [name, vcpu, memory, disk] of [
    ["lite", 1 / 16, 256, 2000],
    ["dev", 1 / 16, 256, 2000],
    ["basic", 1 / 4, 1024, 4000],
    ["standard-1", 1 / 2, 4096, 8000],
    ["standard", 1 / 2, 4096, 8000],
    ["standard-2", 1, 6144, 12_000],
    ["standard-3", 2, 8192, 16_000],
    ["standard-4", 4, 12_288, 20_000],
  ] as const) {
    test(`${name} has the documented size, by name and by numbers`, () => {
      const numbers = { vcpu, memory_mib: memory, disk: { size_mb: disk } };
      assert.deepEqual(resolveConfiguration({ image: "x", instance_type: name }), { image: "x", ...numbers });
      assert.deepEqual(resolveConfiguration({ image: "x", ...numbers }), { image: "x", ...numbers });
    });
  }

  test("nothing said is lite", () => {
    assert.equal(resolveConfiguration({ image: "x" }).memory_mib, 256);
  });

  test("the numbers of a named type are fine although a custom type may not be so small", () => {
    assert.equal(resolveConfiguration({ image: "x", vcpu: 0.25, memory_mib: 1024, disk: { size_mb: 4000 } }).vcpu, 0.25);
  });

  test("a custom type within the limits", () => {
    assert.equal(resolveConfiguration({ image: "x", vcpu: 1.5, memory_mib: 4608, disk: { size_mb: 9000 } }).disk.size_mb, 9000);
  });

  for (const [input, error, field, pattern] of [
    [{ vcpu: 8, memory_mib: 12288 }, "SURPASSED_BASE_LIMITS", "vcpu", /more than 4/],
    [{ vcpu: 4, memory_mib: 16384 }, "SURPASSED_BASE_LIMITS", "memory_mib", /more than 12288/],
    [{ vcpu: 4, memory_mib: 12288, disk: { size_mb: 30_000 } }, "SURPASSED_BASE_LIMITS", "disk", /more than 20000/],
    [{ vcpu: 0.5, memory_mib: 3072 }, "VALIDATE_INPUT", "vcpu", /less than 1/],
    [{ vcpu: 2, memory_mib: 3072 }, "VALIDATE_INPUT", "memory_mib", /less than 6144/],
    [{ vcpu: 1, memory_mib: 3072, disk: { size_mb: 7000 } }, "VALIDATE_INPUT", "disk", /more than 6000/],
    [{ vcpu: 1, memory_mib: 3072.5, disk: { size_mb: 2000 } }, "VALIDATE_INPUT", "memory_mib", /whole number/],
    [{ vcpu: 1, memory_mib: 3072, disk: { size_mb: 0.5 } }, "VALIDATE_INPUT", "disk", /whole number/],
    [{ vcpu: 1, memory_mib: 3072, disk: { size_mb: -1 } }, "VALIDATE_INPUT", "disk", /no disk/],
    [{ instance_type: "huge" }, "VALIDATE_INPUT", "instance_type", /not an instance type/],
    [{ instance_type: "__proto__" }, "VALIDATE_INPUT", "instance_type", /not an instance type/],
    [{ instance_type: "lite", vcpu: 1 }, "VALIDATE_INPUT", "instance_type", /together/],
    [{ wrangler_ssh: { enabled: "yes" } }, "VALIDATE_INPUT", "wrangler_ssh.enabled", /boolean/],
    [{ authorized_keys: [{ name: "a", public_key: "ssh-rsa AAAA" }] }, "VALIDATE_INPUT", "authorized_keys", /ssh-ed25519/],
    [{ environment_variables: [{ name: "A", value: "b" }] }, "VALIDATE_INPUT", "environment_variables", /not served/],
  ] as const) {
    test(`refused: ${JSON.stringify(input)}`, () => {
      assert.throws(() => resolveConfiguration({ image: "x", ...(input as object) }), refused(error, field, pattern));
    });
  }

  test("what has no effect is kept to be read back", () => {
    const configuration = resolveConfiguration({
      image: "x",
      observability: { logs: { enabled: true } },
      wrangler_ssh: { enabled: false },
    });
    assert.deepEqual(configuration.observability, { logs: { enabled: true } });
    assert.deepEqual(configuration.wrangler_ssh, { enabled: false });
  });

  test("a change keeps the size that it does not mention, and takes over as a whole what it does", () => {
    const base = resolveConfiguration({ image: "x", instance_type: "standard-1" });
    assert.equal(mergeConfiguration(base, { image: "y" }).memory_mib, 4096);
    assert.equal(mergeConfiguration(base, { instance_type: "basic" }).memory_mib, 1024);
    assert.equal(mergeConfiguration(base, { instance_type: "basic" }).image, "x");
  });
});

describe("parseImage", () => {
  const parse = (image: string): string => localReference(parseImage(image, "reg.test:5000", ACCOUNT));

  test("tags, digests, both, nested names", () => {
    assert.equal(parse(`reg.test:5000/${ACCOUNT}/app:v1`), `${ACCOUNT}/app:v1`);
    assert.equal(parse(`reg.test:5000/${ACCOUNT}/team/app@sha256:${HEX}`), `${ACCOUNT}/team/app@sha256:${HEX}`);
    assert.equal(parse(`reg.test:5000/${ACCOUNT}/app:v1@sha256:${HEX}`), `${ACCOUNT}/app@sha256:${HEX}`);
    for (const other of ["docker.io/library/nginx:1", "localhost/x:1", `ghcr.io/a/b@sha256:${HEX}`, "reg.test:5001/app:v1"]) {
      assert.equal(parse(other), other);
    }
  });

  for (const [image, error, pattern] of [
    ["", "VALIDATE_INPUT", /must begin with a registry/],
    ["nginx:1", "VALIDATE_INPUT", /must begin with a registry/],
    ["library/nginx:1", "VALIDATE_INPUT", /must begin with a registry/],
    ["docker.io/library/nginx", "VALIDATE_INPUT", /tag or a sha256/],
    ["docker.io/../nginx:1", "VALIDATE_INPUT", /no registry accepts/],
    ["docker.io@x/nginx:1", "VALIDATE_INPUT", /must begin with a registry/],
    [`reg.test:5000/${"f".repeat(32)}/app:v1`, "VALIDATE_INPUT", /account of this/],
    [`reg.test:5000/app:v1`, "VALIDATE_INPUT", /account of this/],
    [`reg.test:5000/${ACCOUNT}/app`, "VALIDATE_INPUT", /tag or a sha256/],
    [`reg.test:5000/${ACCOUNT}/app@sha256:12`, "VALIDATE_INPUT", /tag or a sha256/],
    [`reg.test:5000/${ACCOUNT}/../x:v1`, "VALIDATE_INPUT", /no registry accepts/],
    [`reg.test:5000/${ACCOUNT}/:v1`, "VALIDATE_INPUT", /no registry accepts/],
  ] as const) {
    test(`refused: ${image}`, () => assert.throws(() => parse(image), refused(error, "image", pattern)));
  }
});
