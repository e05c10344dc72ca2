import type { KeyObject } from "node:crypto";
import { KEY_TYPE, keyOf, verifies } from "./keys.js";
import { WireReader } from "./wire.js";

/** OpenSSH's certificates, PROTOCOL.certkeys. */
export const CERTIFICATE_TYPE = "ssh-ed25519-cert-v01@openssh.com";
const USER_CERTIFICATE = 1;

/**
 * The key that a user's certificate is for; `undefined` unless it was signed by one of `authorities` (as they travel), is valid at `now` (in ms) for
 * `user`, and asks for nothing that is not known here: its critical options (`force-command`, `source-address`) must be obeyed, so there may be none.
 */
export function certifiedKey(blob: Buffer, authorities: readonly Buffer[], user: string, now: number): KeyObject | undefined {
  const reader = new WireReader(blob);
  const type = reader.text();
  reader.bytes(); // nonce
  const key = reader.bytes();
  reader.uint64(); // serial
  const kind = reader.uint32();
  reader.text(); // key id
  const principals = textsOf(reader.bytes());
  const [after, before] = [reader.uint64(), reader.uint64()];
  const critical = reader.bytes();
  reader.bytes(); // extensions
  reader.bytes(); // reserved
  const authority = reader.bytes();
  const signed = blob.subarray(0, reader.position);
  const signature = new WireReader(reader.bytes());
  if (!reader.atEnd || type !== CERTIFICATE_TYPE || kind !== USER_CERTIFICATE || key.length !== 32 || critical.length > 0) return undefined;
  const seconds = BigInt(Math.floor(now / 1000));
  if (seconds < after || seconds >= before || !principals.includes(user)) return undefined;
  const issuer = authorities.some((each) => each.equals(authority)) ? keyOf(authority) : undefined;
  if (issuer === undefined || signature.text() !== KEY_TYPE || !verifies(issuer, signed, signature.bytes())) return undefined;
  return keyOf(Buffer.concat([prefixed(Buffer.from(KEY_TYPE)), prefixed(key)]));
}

function textsOf(bytes: Buffer): string[] {
  const reader = new WireReader(bytes);
  const texts: string[] = [];
  while (!reader.atEnd && reader.position < bytes.length) {
    const before = reader.position;
    texts.push(reader.text());
    if (reader.position === before) return [];
  }
  return texts;
}

function prefixed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
