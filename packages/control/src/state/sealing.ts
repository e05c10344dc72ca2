import { LongshoreError, openText, sealText } from "@longshore/contract";

const KEY_BYTES = 32;

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
    return sealText(this.#key, [owner, name], text);
  }

  /** Errors: `INTERNAL` when the text was sealed with another key, or for something else. */
  open(owner: string, name: string, sealed: string): string {
    try {
      return openText(this.#key, [owner, name], sealed);
    } catch (error) {
      throw new LongshoreError("INTERNAL", `Secret "${name}" of "${owner}" cannot be decrypted.`, {
        cause: error,
        hint: "The data directory's secrets key is not the one it was encrypted with: restore that key, or put the secret again.",
      });
    }
  }
}
