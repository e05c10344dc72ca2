import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { clientHello } from "../testing/client-hello.js";
import { recognize } from "./first-bytes.js";

test("HTTP is known by its request line, and its host by the request", () => {
  const host = (request: string) => recognize(Buffer.from(request));
  assert.deepEqual(host("GET / HTTP/1.1\r\nAccept: */*\r\nhost:  Example.COM:8080 \r\n\r\nbody"), {
    kind: "http",
    hostname: "example.com",
  });
  assert.deepEqual(host("GET http://abs.example/x HTTP/1.1\r\nHost: other\r\n\r\n"), { kind: "http", hostname: "abs.example" });
  assert.deepEqual(host("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), { kind: "http", hostname: "[::1]" });
  assert.deepEqual(host("GET / HTTP/1.1\r\nHost: a\u0000b\r\n\r\n"), { kind: "http", hostname: undefined });
  assert.deepEqual(host("GET / HTTP/1.0\r\n\r\n"), { kind: "http", hostname: undefined });
  assert.deepEqual(host("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), { kind: "other" });
  assert.deepEqual(host("SSH-2.0-OpenSSH_9.2\r\n"), { kind: "other" });
  for (const part of ["G", "GET", "GET / HTTP/1.1\r\nHost: x\r\n"]) assert.equal(host(part), undefined);
});

test("TLS is known by its ClientHello, in however many pieces it comes", async () => {
  const hello = await clientHello("Secure.Example.com");
  for (let length = 0; length < hello.length; length++) assert.equal(recognize(hello.subarray(0, length)), undefined);
  assert.deepEqual(recognize(hello), { kind: "tls", hostname: "secure.example.com" });
  // The same message in many small records.
  const records = [];
  for (let at = 5; at < hello.length; at += 50) {
    const piece = hello.subarray(at, at + 50);
    records.push(Buffer.from([0x16, 3, 1, 0, piece.length]), piece);
  }
  assert.deepEqual(recognize(Buffer.concat(records)), { kind: "tls", hostname: "secure.example.com" });
});

test("bytes of any kind are survived", async () => {
  const samples = [await clientHello("a.example"), Buffer.from("POST /x HTTP/1.1\r\nHost: a.example\r\n\r\n"), randomBytes(300)];
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(samples[i % samples.length] ?? []);
    for (let flips = randomInt(6); flips >= 0; flips--) bytes[randomInt(bytes.length)] = randomInt(256);
    const protocol = recognize(bytes.subarray(0, randomInt(bytes.length + 1)));
    if (protocol !== undefined && protocol.kind !== "other") assert.match(protocol.hostname ?? "x", /^[[\]a-z0-9._:-]+$/);
  }
});
