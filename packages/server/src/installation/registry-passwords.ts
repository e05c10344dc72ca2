import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";

const grant = z.object({
  push: z.boolean(),
  pull: z.boolean(),
  tokenId: z.string(),
  /** Unix time in ms. */
  expires: z.number(),
});

export interface RegistryAccess {
  readonly push: boolean;
  readonly pull: boolean;
  /** The API token that it was asked for with. */
  readonly tokenId: string;
}

/** Passwords that carry what they allow and until when, signed: nothing has to be stored, and a restart invalidates none. */
export class RegistryPasswords {
  readonly #key: Buffer;

  /** `key`: 32 bytes, hex. */
  constructor(key: string) {
    this.#key = Buffer.from(key, "hex");
  }

  mint(access: RegistryAccess, lifetimeMs: number): string {
    const body = Buffer.from(JSON.stringify({ ...access, expires: Date.now() + lifetimeMs })).toString("base64url");
    return `${body}.${this.#sign(body)}`;
  }

  /** What a password allows; `undefined` when it is not ours or has expired. */
  verify(password: string): RegistryAccess | undefined {
    const [body = "", signature = ""] = password.split(".", 2);
    const expected = Buffer.from(this.#sign(body));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const { success, data } = grant.safeParse(JSON.parse(Buffer.from(body, "base64url").toString("utf8")));
    if (!success || data.expires < Date.now()) return undefined;
    const { expires: _until, ...access } = data;
    return access;
  }

  #sign(body: string): string {
    return createHmac("sha256", this.#key).update(body).digest("base64url");
  }
}
