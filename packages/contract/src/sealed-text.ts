import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** In front of each sealed text, so that another scheme can take over one day. */
const SCHEME = "v1.";

/** Encrypts a text with a key of 32 bytes. It opens only in the context that it was sealed for. */
export function sealText(key: Uint8Array, context: readonly string[], text: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(bytesOf(context));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return SCHEME + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
}

/** Throws when the text was sealed with another key, or for something else. */
export function openText(key: Uint8Array, context: readonly string[], sealed: string): string {
  const bytes = Buffer.from(sealed.slice(SCHEME.length), "base64url");
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(bytesOf(context)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString("utf8");
}

function bytesOf(context: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(context));
}
