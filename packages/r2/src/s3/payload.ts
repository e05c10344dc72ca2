import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Expected } from "../digests.js";
import { R2Error } from "../errors.js";
import { bodyOf } from "../http/body.js";
import { decodeChunked } from "./chunked.js";
import { type Checksum, Crc32, Crc32c, Crc64Nvme } from "./crc.js";
import type { Claims } from "./signature.js";

/** The checksums that a client may send with a body; others are not looked at. */
const CHECKSUMS: Readonly<Record<string, () => Checksum>> = {
  crc32: () => new Crc32(),
  crc32c: () => new Crc32c(),
  crc64nvme: () => new Crc64Nvme(),
  sha1: () => hashed("sha1"),
  sha256: () => hashed("sha256"),
};
const CHECKSUM_HEADER = /^x-amz-checksum-([a-z0-9]+)$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** A request's body, and all that it must turn out to be. */
export interface Payload {
  readonly body: AsyncIterable<Buffer>;
  readonly expected: Expected;
}

/** Errors: `InvalidArgument` for a way of signing that is not known. What is wrong with the body shows when it is read. */
export function payloadOf(request: IncomingMessage, claims: Claims, secret: string): Payload {
  const { payload } = claims;
  const length = request.headers["content-length"];
  const md5 = request.headers["content-md5"];
  const checksums = typeof md5 === "string" ? { checksums: { md5: Buffer.from(md5, "base64").toString("hex") } } : {};
  const size = (text: unknown) => (typeof text === "string" ? { size: Number(text) } : {});
  if (DIGEST.test(payload) || payload === "UNSIGNED-PAYLOAD") {
    const also = checker(request, () => undefined, DIGEST.test(payload) ? payload : undefined);
    return { body: bodyOf(request), expected: { ...size(length), ...checksums, also } };
  }
  const [, signed] = /^STREAMING-(AWS4-HMAC-SHA256-PAYLOAD|UNSIGNED-PAYLOAD)(?:-TRAILER)?$/.exec(payload) ?? [];
  if (signed === undefined) throw new R2Error("InvalidArgument", `Bodies that are signed as ${JSON.stringify(payload)} are not served.`);
  const { body, trailers } = decodeChunked(bodyOf(request), signed === "UNSIGNED-PAYLOAD" ? undefined : { claims, secret });
  const also = checker(request, (name) => trailers.get(name), undefined);
  return { body, expected: { ...size(request.headers["x-amz-decoded-content-length"]), ...checksums, also } };
}

/** Checks the body against the digest that was signed, and the checksums in headers and in the trailer. */
function checker(
  request: IncomingMessage,
  trailer: (name: string) => string | undefined,
  digest: string | undefined,
): NonNullable<Expected["also"]> {
  const announced = String(request.headers["x-amz-trailer"] ?? "")
    .toLowerCase()
    .split(/\s*,\s*/);
  const names = [...Object.keys(request.headers), ...announced].filter((name) => CHECKSUM_HEADER.test(name));
  const checks = [...new Set(names)].flatMap((name) => {
    const make = CHECKSUMS[CHECKSUM_HEADER.exec(name)?.[1] ?? ""];
    return make === undefined ? [] : [{ name, checksum: make() }];
  });
  const whole = digest === undefined ? undefined : createHash("sha256");
  return {
    update(bytes) {
      whole?.update(bytes);
      for (const { checksum } of checks) checksum.update(bytes);
    },
    finish() {
      if (whole !== undefined && whole.digest("hex") !== digest) throw new R2Error("XAmzContentSHA256Mismatch");
      for (const { name, checksum } of checks) {
        const wanted = request.headers[name] ?? trailer(name);
        const found = checksum.digest();
        if (wanted !== found) throw new R2Error("BadDigest", `The ${name} you specified did not match the calculated checksum ${found}.`);
      }
    },
  };
}

function hashed(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("base64") };
}

/** The body as a whole, checked. Errors: `EntityTooLarge` for more than `limit` bytes, what is wrong with it. */
export async function readPayload({ body, expected }: Payload, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const md5 = createHash("md5");
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > limit) throw new R2Error("EntityTooLarge");
    md5.update(chunk);
    expected.also?.update(chunk);
    chunks.push(chunk);
  }
  expected.also?.finish();
  if (expected.checksums?.md5 !== undefined && md5.digest("hex") !== expected.checksums.md5) throw new R2Error("BadDigest");
  return Buffer.concat(chunks);
}
