import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { LongshoreError } from "@longshore/contract";

const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** In front of each sealed text, so that another scheme can take over one day. */
const SCHEME = "v1.";

/** Encrypts secrets for the bucket. A sealed text opens only for the owner (a Worker, a secrets store) and name that it was sealed for. */
export class Sealer {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    if (key.byteLength !== KEY_BYTES) {
      throw new LongshoreError("INVALID_INPUT", `The key for secrets has ${key.byteLength} bytes, and ${KEY_BYTES} are needed.`);
    }
    this.#key = key;
  }

  seal(owner: string, name: string, text: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, iv).setAAD(context(owner, name));
    const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return SCHEME + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
  }

  /** Errors: `INTERNAL` when the text was sealed with another key, or for something else. */
  open(owner: string, name: string, sealed: string): string {
    const bytes = Buffer.from(sealed.slice(SCHEME.length), "base64url");
    try {
      const decipher = createDecipheriv(ALGORITHM, this.#key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(context(owner, name)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch (error) {
      throw new LongshoreError("INTERNAL", `Secret "${name}" of "${owner}" cannot be decrypted.`, {
        cause: error,
        hint: "The data directory's secrets key is not the one it was encrypted with: restore that key, or put the secret again.",
      });
    }
  }
}

function context(owner: string, name: string): Buffer {
  return Buffer.from(JSON.stringify([owner, name]));
}
