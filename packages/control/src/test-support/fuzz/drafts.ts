import { type Damage, damages, type Edit, edits, ODD_TEXTS } from "@longshore/contract/testing";
import fc from "fast-check";
import { CALLERS, type Caller } from "./world.js";

/** What a request is made of, without knowing the account that it is made for. */
export interface Draft {
  readonly route: number;
  readonly method: string | undefined;
  readonly caller: Caller;
  /** One for each parameter of the path: which known value, or which odd one. */
  readonly parameters: readonly { readonly known: number; readonly odd: string | undefined }[];
  readonly query: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly pick: number;
    readonly edits: readonly Edit[];
    readonly damages: readonly Damage[];
    readonly type: string | undefined;
  };
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];
const TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "text/plain",
  "multipart/form-data",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "application/octet-stream",
  "",
];
const QUERIES = [
  "page",
  "per_page",
  "page_token",
  "limit",
  "last",
  "cursor",
  "prefix",
  "delimiter",
  "name",
  "search",
  "order",
  "direction",
  "fields",
  "force",
  "expiration",
  "expiration_ttl",
  "base64",
  "include",
  "excludeScript",
  "bindings_inherit",
];

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: "binary", maxLength: 20 }));

export const drafts: fc.Arbitrary<Draft> = fc.record({
  route: fc.nat({ max: 99_999 }),
  method: rarely(fc.constantFrom(...METHODS)),
  caller: fc.oneof({ weight: 8, arbitrary: fc.constant("owner" as const) }, { weight: 2, arbitrary: fc.constantFrom(...CALLERS) }),
  parameters: fc.array(fc.record({ known: fc.nat({ max: 99_999 }), odd: rarely(oddText) }), { minLength: 6, maxLength: 6 }),
  query: fc.array(
    fc.tuple(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...QUERIES) }, oddText),
      fc.oneof(fc.constantFrom("1", "2", "true", "a"), oddText),
    ),
    { maxLength: 3 },
  ),
  headers: fc.dictionary(
    fc.constantFrom(
      "cf-r2-storage-class",
      "content-md5",
      "if-none-match",
      "range",
      "x-forwarded-host",
      "transfer-encoding-",
      "expires",
      "cookie",
    ),
    oddText,
    { maxKeys: 2 },
  ),
  body: fc.record({
    pick: fc.nat({ max: 99_999 }),
    edits,
    damages: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, damages),
    type: rarely(fc.constantFrom(...TYPES)),
  }),
});
