/** A store of the account's secrets. */
export interface SecretStore {
  /** 32 hex digits. */
  readonly id: string;
  /** One of its kind. */
  readonly name: string;
  readonly createdOn: string;
}

/** A secret as it rests in the bucket. In a store, a name is one of its kind and never changes. */
export interface StoredSecret {
  /** 32 hex digits. */
  readonly id: string;
  readonly storeId: string;
  readonly name: string;
  readonly comment: string;
  /** What may read it: `workers`, `containers` (other registries' passwords) and what else clients say. */
  readonly scopes: readonly string[];
  /** Opens only for its store and name. */
  readonly sealed: string;
  readonly createdOn: string;
  readonly modifiedOn: string;
}

/** Names are parts of bucket keys. */
export const SECRET_NAME_PATTERN = /^[A-Za-z0-9_-]{1,255}$/;

/** What a store's secrets are sealed for: no Worker's name has a slash. */
export function sealedFor(storeId: string): string {
  return `secrets-store/${storeId}`;
}
