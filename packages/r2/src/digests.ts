import { createHash, type Hash } from "node:crypto";
import type { ChecksumName } from "@longshore/contract";
import { R2Error } from "./errors.js";

/** Bytes are written in pieces of this size: each costs a hop to another thread. */
const PIECE_BYTES = 256 * 1024;

/** What a body must turn out to be; checksums in hex. */
export interface Expected {
  readonly size?: number;
  readonly checksums?: Readonly<Partial<Record<ChecksumName, string>>>;
  /** Called with each piece; `finish` throws when the body is not what it should be. */
  readonly also?: { update(bytes: Uint8Array): void; finish(): void };
}

export interface Digests {
  readonly size: number;
  readonly md5: string;
}

/**
 * Passes a body on, and `end`'s bytes behind it once it is known to be what was expected. Errors: `BadDigest`, `IncompleteBody`, `EntityTooLarge` for
 * more than `limit` bytes.
 */
export async function* digested(
  body: AsyncIterable<Uint8Array>,
  { size, checksums = {}, also }: Expected,
  limit: number,
  end: (digests: Digests) => Buffer,
): AsyncGenerator<Uint8Array> {
  if (size !== undefined && size > limit) throw new R2Error("EntityTooLarge");
  const hashes = new Map<ChecksumName, Hash>([["md5", createHash("md5")]]);
  for (const name of Object.keys(checksums) as ChecksumName[]) hashes.set(name, hashes.get(name) ?? createHash(name));
  let total = 0;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for await (const chunk of body) {
    total += chunk.byteLength;
    if (total > limit) throw new R2Error("EntityTooLarge");
    for (const hash of hashes.values()) hash.update(chunk);
    also?.update(chunk);
    waiting.push(chunk);
    waitingBytes += chunk.byteLength;
    if (waitingBytes < PIECE_BYTES) continue;
    yield waiting.length === 1 ? chunk : Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
  }
  if (size !== undefined && total !== size) throw new R2Error("IncompleteBody");
  also?.finish();
  const results = new Map([...hashes].map(([name, hash]) => [name, hash.digest("hex")]));
  for (const [name, wanted] of Object.entries(checksums) as [ChecksumName, string][]) {
    const found = results.get(name) ?? "";
    if (wanted.toLowerCase() !== found) throw badDigest(name, wanted, found);
  }
  yield Buffer.concat([...waiting, end({ size: total, md5: results.get("md5") ?? "" })]);
}

const SHOWN: Record<ChecksumName, string> = { md5: "MD5", sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };

function badDigest(name: ChecksumName, wanted: string, found: string): R2Error {
  const shown = SHOWN[name];
  const lines = [
    `The ${shown} checksum you specified did not match what we received.`,
    `You provided a ${shown} checksum with value: ${wanted}`,
    `Actual ${shown} was: ${found}`,
  ];
  return new R2Error("BadDigest", lines.join("\n"));
}
