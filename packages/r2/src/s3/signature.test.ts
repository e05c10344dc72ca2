import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { R2Error } from "../errors.js";
import { decodeChunked } from "./chunked.js";
import { Crc32, Crc32c, Crc64Nvme } from "./crc.js";
import { readClaims, sha256, signText, verify } from "./signature.js";
import { parseXml, xml } from "./xml.js";

// The example in AWS's documentation of chunked uploads.
const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const HEADERS: [string, string][] = [
  ["Host", "s3.amazonaws.com"],
  ["x-amz-date", "20130524T000000Z"],
  ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
  [
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
  ],
  ["x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"],
  ["Content-Encoding", "aws-chunked"],
  ["x-amz-decoded-content-length", "66560"],
  ["Content-Length", "66824"],
];
const SIGNATURES = [
  "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
  "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
  "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];

function example(): IncomingMessage {
  const headers = Object.fromEntries(HEADERS.map(([name, value]) => [name.toLowerCase(), value]));
  return { method: "PUT", headers, rawHeaders: HEADERS.flat() } as unknown as IncomingMessage;
}

function chunks(signatures = SIGNATURES): Buffer {
  const parts = [Buffer.alloc(65_536, "a"), Buffer.alloc(1024, "a"), Buffer.alloc(0)];
  return Buffer.concat(
    parts.flatMap((part, at) => [
      Buffer.from(`${part.length.toString(16)};chunk-signature=${signatures[at]}\r\n`),
      part,
      Buffer.from("\r\n"),
    ]),
  );
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const code = (kind: string) => (error: unknown) => error instanceof R2Error && error.kind === kind;

test("AWS's own example: the request and each of its chunks", async () => {
  const request = example();
  const claims = readClaims(request, new URLSearchParams());
  const target = { path: "/examplebucket/chunkObject.txt", query: "" };
  const now = Date.parse("2013-05-24T00:00:00Z");
  verify(claims, request, target, SECRET, now);
  assert.throws(() => verify(claims, request, { ...target, path: "/examplebucket/other" }, SECRET, now), code("SignatureDoesNotMatch"));
  assert.throws(() => verify(claims, request, target, SECRET, now + 1_000_000), code("RequestTimeTooSkewed"));
  for (const size of [1, 1000, 100_000]) {
    const { body } = decodeChunked(pieces(chunks(), size), { claims, secret: SECRET });
    assert.ok((await buffer(body)).equals(Buffer.alloc(66_560, "a")));
  }
  for (const wrong of [0, 1, 2]) {
    const signatures = SIGNATURES.map((each, at) => (at === wrong ? each.replace(/.$/, (last) => (last === "0" ? "1" : "0")) : each));
    await assert.rejects(
      buffer(decodeChunked(pieces(chunks(signatures), 5000), { claims, secret: SECRET }).body),
      code("SignatureDoesNotMatch"),
    );
  }
  const cut = chunks().subarray(0, 66_000);
  await assert.rejects(buffer(decodeChunked(pieces(cut, 5000), { claims, secret: SECRET }).body), code("IncompleteBody"));
});

test("trailers, signed and not", async () => {
  const claims = readClaims(example(), new URLSearchParams());
  const plain = decodeChunked(pieces(Buffer.from("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"), 2), undefined);
  assert.equal((await buffer(plain.body)).toString(), "abc");
  assert.equal(plain.trailers.get("x-amz-checksum-crc32"), "NSRBwg==");
  const { timestamp, scope } = claims;
  const chunkText = (previous: string, bytes: string) =>
    ["AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, previous, sha256(""), sha256(bytes)].join("\n");
  const one = signText(SECRET, claims, chunkText(claims.signature, "abc"));
  const end = signText(SECRET, claims, chunkText(one, ""));
  const trailer = "x-amz-checksum-crc32:NSRBwg==\n";
  const last = signText(SECRET, claims, ["AWS4-HMAC-SHA256-TRAILER", timestamp, scope, end, sha256(trailer)].join("\n"));
  const sent = (signature: string) =>
    Buffer.from(`3;chunk-signature=${one}\r\nabc\r\n0;chunk-signature=${end}\r\n${trailer}x-amz-trailer-signature:${signature}\r\n\r\n`);
  const signed = decodeChunked(pieces(sent(last), 7), { claims, secret: SECRET });
  assert.equal((await buffer(signed.body)).toString(), "abc");
  assert.equal(signed.trailers.size, 1);
  await assert.rejects(buffer(decodeChunked(pieces(sent(end), 7), { claims, secret: SECRET }).body), code("SignatureDoesNotMatch"));
});

test("damaged chunks never come through as something else", () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), async (bytes, size) => {
      await buffer(decodeChunked(pieces(Buffer.from(bytes), size), undefined).body).then(
        () => undefined,
        (error: unknown) => assert.ok(error instanceof R2Error, String(error)),
      );
    }),
  ));

test("checksums", () => {
  const of = (checksum: { update(bytes: Uint8Array): void; digest(): string }) => {
    for (const piece of ["1234", "56789"]) checksum.update(Buffer.from(piece));
    return Buffer.from(checksum.digest(), "base64").toString("hex");
  };
  // The check values of the catalogue of CRCs, for "123456789".
  assert.equal(of(new Crc32()), "cbf43926");
  assert.equal(of(new Crc32c()), "e3069283");
  assert.equal(of(new Crc64Nvme()), "ae8b14860a799888");
});

test("XML that is not well-formed, or has definitions of its own, is refused; names come through whole", () => {
  for (const wrong of ["", "<a>", "<Delete></Other>", '<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>', "not XML"]) {
    assert.throws(() => parseXml(Buffer.from(wrong), "Delete"), code("MalformedXML"), wrong);
  }
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }).filter((key) => Buffer.from(key).toString() === key && key !== "" && !key.includes("\0")),
      (Key) => {
        const parsed = parseXml(Buffer.from(xml("Delete", { Object: [{ Key }] })), "Delete") as { Object: { Key: string }[] };
        assert.equal(parsed.Object[0]?.Key, Key);
      },
    ),
  );
  assert.equal(createHash("sha256").update("").digest("hex"), sha256(""));
});
