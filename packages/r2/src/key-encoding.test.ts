import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeKey, encodeKey, encodePrefix } from "./key-encoding.js";

const BUCKET_KEY = /^([A-Za-z0-9._:@=+-]{1,250}\/)*[A-Za-z0-9._:@=+-]{1,250}$/;
const tricky = fc.string({
  unit: fc.constantFrom("/", ".", "+", "-", "0", "9", ":", ";", "=", "@", "A", "_", "a", "x", "y", "z", "~", "\0", "ä", "😀"),
  maxLength: 40,
});
const keys = fc
  .oneof(tricky, fc.string({ unit: "binary", maxLength: 60 }))
  .filter((key) => key !== "" && Buffer.from(key).toString() === key);
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

test("every key comes back, as a key that a bucket allows", () => {
  fc.assert(
    fc.property(keys, (key) => {
      const encoded = encodeKey(key);
      assert.match(encoded, BUCKET_KEY);
      assert.ok(encoded.split("/").every((segment) => segment !== "." && segment !== ".."));
      assert.equal(decodeKey(encoded), key);
    }),
    { numRuns: 2000 },
  );
});

test("encoded keys sort as the keys' bytes, and begin where the keys do", () => {
  fc.assert(
    fc.property(keys, keys, tricky, (one, other, end) => {
      assert.equal(compare(encodeKey(one), encodeKey(other)), Buffer.compare(Buffer.from(one), Buffer.from(other)));
      assert.ok(encodeKey(one + end).startsWith(encodePrefix(one)));
      assert.equal(encodeKey(other).startsWith(encodePrefix(one)), Buffer.from(other).indexOf(Buffer.from(one)) === 0);
    }),
    { numRuns: 2000 },
  );
});

test("keys of 1,024 bytes fit, whatever they are made of", () => {
  for (const unit of ["x", "y", "é", "/", "a/", ".", "\0"]) {
    const key = unit.repeat(1024 / Buffer.byteLength(unit));
    assert.equal(decodeKey(encodeKey(key)), key);
    assert.match(encodeKey(key), BUCKET_KEY);
    assert.ok(encodeKey(key).length < 2200);
    assert.throws(() => encodeKey(`${key}x`), /object name is not valid/);
  }
  assert.deepEqual(["//", "/a", "a//", "."].map(encodeKey), [".0/+", ".0a+", "a/.0+", ".-+"]);
  for (const wrong of ["", "\ud800"]) assert.throws(() => encodeKey(wrong), /object name is not valid/);
  assert.equal(encodeKey("photos/2026/cat.jpg"), "photos/2026/cat.1jpg+".replace(".1", ".-"));
});
