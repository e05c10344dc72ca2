import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Bucket, Scope } from "@longshore/contract";
import type { Clock, Identity } from "../options.js";
import { JsonObjects } from "./json-objects.js";
import { Sealer } from "./sealing.js";

/** What is kept of a token. Times in milliseconds since 1970. */
export interface ApiToken {
  /** 32 hex; part of the token itself, and no secret. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt?: number;
}

interface StoredToken extends ApiToken {
  /** Sealed, since S3 clients prove that they know the token's SHA-256: to them it is a password. */
  readonly sealedHash: string;
}

export interface ApiTokensOptions {
  readonly bucket: Bucket;
  readonly accountId: string;
  /** 32 bytes. */
  readonly secretsKey: Uint8Array;
  /** The owner's token, which may do everything and is not in the bucket. */
  readonly ownerToken: string;
  readonly clock?: Clock;
}

const SEALED_FOR = "~tokens";
const OWNER = "owner";
/** An installation's tokens say whose they are, so that scanners for leaked secrets can find them. */
const FORM = /^ls_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;

/**
 * The account's API tokens: `control/tokens/<id>` in the bucket. Nothing is cached, so what was revoked is refused from the next request on,
 * by every server on the bucket.
 */
export class ApiTokens {
  readonly #options: ApiTokensOptions;
  readonly #sealer: Sealer;
  readonly #stored: JsonObjects<StoredToken>;
  readonly #owner: Identity;
  readonly #ownerHash: string;

  constructor(options: ApiTokensOptions) {
    this.#options = options;
    this.#sealer = new Sealer(options.secretsKey);
    this.#stored = new JsonObjects(options.bucket, "control/tokens/");
    this.#ownerHash = sha256(options.ownerToken);
    const tokenId = sha256(`id of ${options.ownerToken}`).slice(0, 32);
    this.#owner = { accountId: options.accountId, tokenId, tokenName: OWNER, scopes: ["all:write"] };
  }

  /** A new token. Its value is nowhere but in the answer. */
  async create(name: string, scopes: readonly Scope[], expiresAt?: number): Promise<{ readonly token: ApiToken; readonly value: string }> {
    const id = randomBytes(16).toString("hex");
    const value = `ls_${id}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
    const token = { id, name, scopes, createdAt: this.#now(), ...(expiresAt === undefined ? {} : { expiresAt }) };
    await this.#stored.create(id, { ...token, sealedHash: this.#sealer.seal(SEALED_FOR, id, sha256(value)) });
    return { token, value };
  }

  /** Every token but the owner's, those that have expired too; the oldest first. */
  async list(): Promise<ApiToken[]> {
    return (await this.#stored.all()).map(withoutHash).sort((a, b) => a.createdAt - b.createdAt);
  }

  /** Expired ones too; never the owner's. */
  async find(id: string): Promise<ApiToken | undefined> {
    const stored = await this.#read(id);
    return stored === undefined ? undefined : withoutHash(stored);
  }

  /** From now on the token opens nothing. One that is not there is fine. */
  async revoke(id: string): Promise<void> {
    await this.#stored.delete(id);
  }

  /** Who shows this token; `undefined` when it is not known, was revoked, or has expired. */
  async authenticate(value: string): Promise<Identity | undefined> {
    const hash = sha256(value);
    if (sameText(hash, this.#ownerHash)) return this.#owner;
    const id = FORM.exec(value)?.[1];
    const known = id === undefined ? undefined : await this.credentials(id);
    return known !== undefined && sameText(hash, known.valueSha256) ? known.identity : undefined;
  }

  /**
   * What a token may do and the SHA-256 (hex) of its value, by its id: the access key and the secret of S3 clients.
   * `undefined` when it is not known, was revoked, or has expired.
   */
  async credentials(id: string): Promise<{ readonly identity: Identity; readonly valueSha256: string } | undefined> {
    if (id === this.#owner.tokenId) return { identity: this.#owner, valueSha256: this.#ownerHash };
    const stored = await this.#read(id);
    if (stored === undefined || (stored.expiresAt ?? Number.POSITIVE_INFINITY) <= this.#now()) return undefined;
    const { name, scopes, expiresAt } = stored;
    return {
      identity: {
        accountId: this.#options.accountId,
        tokenId: id,
        tokenName: name,
        scopes,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
      valueSha256: this.#sealer.open(SEALED_FOR, id, stored.sealedHash),
    };
  }

  async #read(id: string): Promise<StoredToken | undefined> {
    return /^[0-9a-f]{32}$/.test(id) ? (await this.#stored.get(id))?.value : undefined;
  }

  #now(): number {
    return (this.#options.clock ?? Date.now)();
  }
}

function withoutHash({ sealedHash: _secret, ...token }: StoredToken): ApiToken {
  return token;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Compares two digests without telling by time how much was right. */
function sameText(given: string, expected: string): boolean {
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
