import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clientHello } from "../testing/client-hello.js";
import { damaged, fuzz } from "../testing/fuzz.js";
import { recognize, SNIFF_BYTES } from "./first-bytes.js";

test("whatever a container sends first, it is recognized or not, in the same way for any cut, and a name is a name", async () => {
  const requests = [
    "GET / HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
    "POST http://[::1]:80/x HTTP/1.1\r\nA: b\r\n\r\nbody",
    "PRI * HTTP/2.0\r\n\r\n",
  ];
  const bases = [await clientHello("secure.example.com"), ...requests.map((text) => Buffer.from(text))];
  await fuzz(fc.tuple(damaged(bases), fc.nat({ max: 2_000 })), ([bytes, cut]) => {
    const whole = recognize(bytes);
    const part = recognize(bytes.subarray(0, cut));
    // What is known of a part stays true of the whole: bytes that follow change nothing.
    if (part !== undefined) assert.deepEqual(whole, part);
    if (bytes.length >= SNIFF_BYTES) assert.notEqual(whole, undefined);
    if (whole !== undefined && whole.kind !== "other" && whole.hostname !== undefined)
      assert.match(whole.hostname, /^([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])$/);
  });
});
