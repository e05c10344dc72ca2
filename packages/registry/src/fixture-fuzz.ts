// A registry with images of two accounts, and requests that are nearly right, for the fuzz test of this package.
import { type Damage, damagedBytes, damagedJson, damages, type Edit, edits, ODD_TEXTS, type RawRequest } from "@longshore/contract/testing";
import fc from "fast-check";
import {
  ACCOUNT,
  basic,
  digestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  pushBlob,
  pushImage,
  startRegistry,
  type TestRegistry,
} from "./fixture-registry.js";
import type { Target } from "./routes.js";

/** What the other account holds. */
export const FOREIGN = "marker-of-the-other-account";
const OTHER = "ffffffffffffffffffffffffffffffff/app";
const APP = `${ACCOUNT}/app`;

export interface World extends AsyncDisposable {
  readonly on: TestRegistry;
  /** Texts that mean something in this registry: digests, tags, repositories, the ids of uploads. */
  readonly known: Readonly<Record<"repository" | "digest" | "tag" | "upload", readonly string[]>>;
  readonly manifests: readonly unknown[];
}

export async function createWorld(): Promise<World> {
  const on = await startRegistry({ accountLimitBytes: 5_000_000 });
  const image = await pushImage(on, APP, { reference: "v1" });
  const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.size };
  const signature = await pushImage(on, APP, { extra: { subject, artifactType: "test/signature", annotations: { a: "b" } } });
  const two = await pushImage(on, `${ACCOUNT}/two`, { reference: "v2" });
  const begun = await Promise.all([0, 1].map(() => on.request(`${APP}/blobs/uploads/`, { method: "POST" })));
  const foreign = Buffer.from(`{"${FOREIGN}":true}`);
  await on.request(`${OTHER}/blobs/uploads/?digest=${digestOf(foreign)}`, { method: "POST", body: foreign, user: "other" });
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...subject, platform: { os: "linux", architecture: "amd64" } }] };
  const { digest } = await pushBlob(on, APP, Buffer.from("known"));
  return {
    on,
    known: {
      repository: [APP, `${ACCOUNT}/two`, `${ACCOUNT}/new`, OTHER],
      digest: [
        image.digest,
        ...image.layers,
        image.config,
        signature.digest,
        two.digest,
        digest,
        digestOf(foreign),
        digestOf("known"),
        digestOf("missing"),
      ],
      tag: ["v1", "v2", "new", image.digest],
      upload: [...begun.map(({ headers }) => headers.get("location")?.split("/").at(-1) ?? ""), crypto.randomUUID()],
    },
    manifests: [JSON.parse(image.manifest), JSON.parse(signature.manifest), index],
    [Symbol.asyncDispose]: () => on[Symbol.asyncDispose](),
  };
}

/** A path of every kind there is: the compiler asks for one of each kind that is new. */
const PATHS: Readonly<Record<Target["kind"], string>> = {
  base: "",
  catalog: "_catalog",
  gc: "gc/layers",
  tags: "{repository}/tags/list",
  blob: "{repository}/blobs/{digest}",
  uploads: "{repository}/blobs/uploads/",
  upload: "{repository}/blobs/uploads/{upload}",
  manifest: "{repository}/manifests/{tag}",
  referrers: "{repository}/referrers/{digest}",
};
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const QUERIES = ["mount", "from", "digest", "digest-algorithm", "n", "last", "tag", "tags", "artifactType", "ns"];
const USERS = ["v1", "v1", "v1", "v1", "reader", "other", "nobody", ""];

const odd = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: "binary", maxLength: 20 }));
const range = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 200 })).map(([from, to]) => `${from}-${to}`);

/** A value that is known for a name, or an odd one. */
interface Choice {
  readonly known: number;
  readonly odd: string | undefined;
}
const choice: fc.Arbitrary<Choice> = fc.record({
  known: fc.nat({ max: 999 }),
  odd: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: odd }),
});

export interface Draft {
  readonly kind: Target["kind"];
  readonly method: string;
  readonly user: string;
  readonly choices: readonly Choice[];
  readonly query: readonly (readonly [string, Choice])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly pick: number; readonly edits: readonly Edit[]; readonly damages: readonly Damage[] };
}

export const drafts: fc.Arbitrary<Draft> = fc.record({
  kind: fc.constantFrom(...(Object.keys(PATHS) as Target["kind"][])),
  method: fc.constantFrom(...METHODS),
  user: fc.constantFrom(...USERS),
  choices: fc.array(choice, { minLength: 3, maxLength: 3 }),
  query: fc.array(fc.tuple(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...QUERIES) }, odd), choice), { maxLength: 3 }),
  headers: fc.dictionary(
    fc.constantFrom("content-range", "range", "if-range", "content-type", "accept", "expect-", "x-forwarded-host"),
    fc.oneof(
      range,
      range.map((text) => `bytes=${text}`),
      fc.constantFrom(OCI_MANIFEST, OCI_INDEX, "application/json"),
      odd,
    ),
    { maxKeys: 2 },
  ),
  body: fc.record({ pick: fc.nat({ max: 9 }), edits, damages: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, damages) }),
});

/** The request of a draft. */
export function requestOf(draft: Draft, { known, manifests }: World): RawRequest {
  const value = (name: keyof World["known"], { known: index, odd: text }: Choice) => text ?? known[name][index % known[name].length] ?? "";
  let at = 0;
  const path = PATHS[draft.kind].replace(/\{(\w+)\}/g, (_whole, name: keyof World["known"]) =>
    inPath(value(name, draft.choices[at++] as Choice)),
  );
  const query = draft.query.map(
    ([name, one]) =>
      `${encodeURIComponent(Buffer.from(name).toString())}=${encodeURIComponent(Buffer.from(valueOfQuery(name, one, value)).toString())}`,
  );
  const manifest = manifests[draft.body.pick];
  const bytes = Buffer.from(manifest === undefined ? "known" : damagedJson(manifest, draft.body.edits));
  const type = (manifest as { mediaType?: string } | undefined)?.mediaType;
  const headers = Object.fromEntries(Object.entries(draft.headers).map(([name, text]) => [name, text.replace(/[^\t\x20-\x7e]/g, "?")]));
  return {
    method: draft.method,
    path: `/v2/${path}${query.length === 0 ? "" : `?${query.join("&")}`}`,
    headers: {
      ...(type === undefined ? {} : { "content-type": type }),
      ...headers,
      ...(draft.user === "" ? {} : { authorization: basic(draft.user) }),
    },
    body: draft.method === "GET" || draft.method === "HEAD" ? undefined : damagedBytes(bytes, draft.body.damages),
  };
}

function valueOfQuery(name: string, one: Choice, value: (name: keyof World["known"], one: Choice) => string): string {
  if (name === "from" || name === "last") return value("repository", one);
  if (name === "digest" || name === "mount") return value("digest", one);
  if (name === "tag") return value("tag", one);
  if (name === "digest-algorithm") return one.odd ?? "sha512";
  return one.odd ?? `${one.known}`;
}

/** As clients do it, but for what a path can hold as it is and only attackers send. */
function inPath(text: string): string {
  if (/^[%.]/.test(text)) return text.replace(/[^\x21-\x7e]/g, "");
  return encodeURIComponent(Buffer.from(text).toString()).replaceAll("%2F", "/").replaceAll("%3A", ":");
}
