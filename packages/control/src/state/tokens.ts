import { createHmac, timingSafeEqual } from "node:crypto";
import { LongshoreError } from "@longshore/contract";
import type { Clock } from "../options.js";

const HEADER = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");

/** Short-lived claims that clients hand back: JSON Web Tokens, since clients read the time that they end at. */
export class Tokens {
  readonly #key: Uint8Array;
  readonly #clock: Clock;

  /** `purpose` keeps the tokens of one use from being taken for those of another. */
  constructor(secretsKey: Uint8Array, purpose: string, clock: Clock) {
    this.#key = createHmac("sha256", secretsKey).update(`tokens for ${purpose}`).digest();
    this.#clock = clock;
  }

  /** `lifetime` in milliseconds. */
  sign(claims: Readonly<Record<string, string>>, lifetime: number): string {
    const exp = Math.ceil((this.#clock() + lifetime) / 1000);
    const content = `${HEADER}.${Buffer.from(JSON.stringify({ ...claims, exp })).toString("base64url")}`;
    return `${content}.${this.#mac(content).toString("base64url")}`;
  }

  /** The claims of a token that was signed here and has not ended. Errors: `UNAUTHORIZED`. */
  verify(token: string): Record<string, unknown> {
    const [header, payload, mac, ...rest] = token.split(".");
    if (header !== HEADER || payload === undefined || mac === undefined || rest.length > 0)
      throw refused("is not one of this installation's");
    const given = Buffer.from(mac, "base64url");
    const right = this.#mac(`${header}.${payload}`);
    if (given.length !== right.length || !timingSafeEqual(given, right)) throw refused("is not one of this installation's");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Record<string, unknown>;
    if (typeof claims.exp !== "number" || claims.exp * 1000 <= this.#clock()) throw refused("has ended");
    return claims;
  }

  #mac(content: string): Buffer {
    return createHmac("sha256", this.#key).update(content).digest();
  }
}

function refused(why: string): LongshoreError {
  return new LongshoreError("UNAUTHORIZED", `The upload's token ${why}.`, { hint: "Deploy again: what has been uploaded is kept." });
}
