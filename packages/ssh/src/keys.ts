import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { LongshoreError } from "@longshore/contract";
import { WireReader } from "./wire.js";

/** The one type of key that is served (spec 23). */
export const KEY_TYPE = "ssh-ed25519";
/** In front of a public key's 32 bytes it makes what Node.js reads (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const KEY_BYTES = 32;

/** The key as it travels, of a line of authorized_keys. Errors: `INVALID_INPUT` when it is not `ssh-ed25519 <base64> …`. */
export function publicKeyBlob(text: string): Buffer {
  const [type, base64 = ""] = text.trim().split(/\s+/);
  const blob = Buffer.from(base64, "base64");
  const reader = new WireReader(blob);
  if (type === KEY_TYPE && reader.text() === KEY_TYPE && reader.bytes().length === KEY_BYTES && reader.atEnd) return blob;
  throw new LongshoreError("INVALID_INPUT", `A key is not "${KEY_TYPE} <base64>": ${text.slice(0, 60)}`, {
    hint: 'Make one with "ssh-keygen -t ed25519" and give the content of its .pub file.',
  });
}

/** The key of a blob; `undefined` when it is none of the served type. */
export function keyOf(blob: Buffer): KeyObject | undefined {
  const reader = new WireReader(blob);
  if (reader.text() !== KEY_TYPE) return undefined;
  const bytes = reader.bytes();
  if (bytes.length !== KEY_BYTES) return undefined;
  return createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: "der", type: "spki" });
}

export function verifies(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  return verify(null, data, key, signature);
}
