import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { Sealer } from "./sealing.js";

const sealer = new Sealer(randomBytes(32));

test("what is sealed opens, and does not show", () => {
  for (const text of ["", "swordfish", "ü\n\0€".repeat(100)]) {
    const sealed = sealer.seal("app", "KEY", text);
    assert.equal(sealer.open("app", "KEY", sealed), text);
    assert.ok(text === "" || !sealed.includes(text));
  }
  assert.notEqual(sealer.seal("app", "KEY", "x"), sealer.seal("app", "KEY", "x"));
});

test("it opens for nothing else, with no other key, and not when it was changed", () => {
  const sealed = sealer.seal("app", "KEY", "swordfish");
  const refused = (open: () => string): void =>
    assert.throws(open, (error) => error instanceof LongshoreError && error.code === "INTERNAL");
  refused(() => sealer.open("app", "OTHER", sealed));
  refused(() => sealer.open("other", "KEY", sealed));
  refused(() => new Sealer(randomBytes(32)).open("app", "KEY", sealed));
  refused(() => sealer.open("app", "KEY", `${sealed.slice(0, -3)}AAA`));
  refused(() => sealer.open("app", "KEY", "v1."));
});

test("a key of another length is refused", () => {
  assert.throws(() => new Sealer(randomBytes(16)), /32 are needed/);
});
