import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { ACCOUNT, OCI_INDEX } from "../fixture-registry.js";
import { type Case, EMPTY_JSON, OCI_CONFIG, specification } from "./cases.js";

const BOM = "application/vnd.example.sbom.v1";
const SIGNATURE = "application/vnd.example.signature.v1";

specification("content discovery", {
  "Listing Tags": {
    "all, in ASCII order": async (on) => {
      await tagged(on, ["b", "a", "B", "_", "10", "9", "a.b", "a-b"]);
      const tags = ["10", "9", "B", "_", "a", "a-b", "a.b", "b"];
      const body = Buffer.from(JSON.stringify({ name: on.repository, tags }));
      await on.expect("GET", `${on.repository}/tags/list`, {
        status: 200,
        headers: { "content-type": "application/json", link: undefined },
        body,
      });
    },
    "n of them, those after last, and where the next ones are": async (on) => {
      await tagged(on, ["a", "b", "c", "d"]);
      const pages: [string, string[], boolean][] = [
        ["?n=2", ["a", "b"], true],
        ["?n=2&last=b", ["c", "d"], false],
        ["?n=1&last=aa", ["b"], true],
        ["?last=c", ["d"], false],
        ["?n=4", ["a", "b", "c", "d"], false],
        ["?n=1000", ["a", "b", "c", "d"], false],
        ["?n=0", [], false],
        ["?last=z", [], false],
      ];
      for (const [query, tags, more] of pages) {
        const link = more ? /^<\/v2\/.+>; rel="next"$/ : undefined;
        const body = Buffer.from(JSON.stringify({ name: on.repository, tags }));
        await on.expect("GET", `${on.repository}/tags/list${query}`, { status: 200, headers: { link }, body });
      }
      assert.deepEqual(await follow<{ tags: string[] }>(on, `${on.repository}/tags/list?n=1`, ({ tags }) => tags), ["a", "b", "c", "d"]);
      await on.expect("GET", `${on.repository}/tags/list?n=-1`, { status: 400 });
    },
    "empty when there is no tag, 404 when there is no repository": async (on) => {
      await on.expect("GET", `${on.repository}/tags/list`, { status: 404, code: "NAME_UNKNOWN" });
      await on.manifest(await on.image());
      const body = Buffer.from(JSON.stringify({ name: on.repository, tags: [] }));
      await on.expect("GET", `${on.repository}/tags/list`, { status: 200, body });
    },
  },
  "Listing Repositories": {
    "the account's, in pages; and as wrangler asks for them": async (on) => {
      await tagged(on, ["v1", "v2"]);
      const all = await follow<{ repositories: string[] }>(on, "_catalog?n=1", ({ repositories }) => repositories);
      assert.ok(all.includes(on.repository) && all.every((name) => name.startsWith(`${ACCOUNT}/`)));
      assert.deepEqual(all, [...all].sort());
      const { repositories } = (await (await on.expect("GET", "_catalog?tags=true", { status: 200 })).json()) as { repositories: object };
      assert.deepEqual(Object.entries(repositories).find(([name]) => name === on.repository)?.[1], ["v1", "v2"]);
    },
  },
  "Listing Referrers": {
    "an empty index where there are none, whatever the repository": async (on) => {
      const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
      const expected = { status: 200, headers: { "content-type": OCI_INDEX }, body };
      await on.expect("GET", `${on.repository}/referrers/${on.digest("missing")}`, expected);
      await on.expect("GET", `${on.repository}/referrers/nonsense`, { status: 400, code: "DIGEST_INVALID" });
    },
    "descriptors with type and annotations, the type taken from the config where none is given, and none for an index without one": async (
      on,
    ) => {
      const { subject, bom, index } = await referrers(on);
      const config = await on.manifest(await on.image({ subject }));
      const listed = await list(on, subject.digest);
      assert.deepEqual(new Set(listed.map(({ digest }) => digest)).size, 4);
      const of = (digest: string) => listed.find((one) => one.digest === digest);
      assert.deepEqual(of(bom.digest), { ...bom, artifactType: BOM, annotations: { "org.example.kind": "bom" } });
      assert.deepEqual(of(config.digest), { ...config, artifactType: OCI_CONFIG });
      assert.deepEqual(of(index.digest), { ...index, annotations: { a: "b" } });
    },
    "filtered by type, which the answer says": async (on) => {
      const { subject, signature } = await referrers(on);
      const found = await list(on, subject.digest, `?artifactType=${encodeURIComponent(SIGNATURE)}`, "artifactType");
      assert.deepEqual(
        found.map(({ digest }) => digest),
        [signature.digest],
      );
      assert.deepEqual(await list(on, subject.digest, "?artifactType=none", "artifactType"), []);
    },
    "pushed before their subject, they are listed too; deleted, they are not": async (on) => {
      const image = await on.image();
      const digest = on.digest(image);
      const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: image.length };
      const referrer = await on.manifest(on.index([], { subject }));
      assert.equal((await list(on, digest)).length, 1);
      await on.manifest(image);
      assert.equal((await list(on, digest)).length, 1);
      await on.expect("DELETE", `${on.repository}/manifests/${referrer.digest}`, { status: 202 });
      assert.deepEqual(await list(on, digest), []);
    },
    "more than a client takes at once come in pages": async (on) => {
      const subject = await on.manifest(await on.image());
      for (let i = 0; i < 3; i++) await on.manifest(on.index([], { subject, annotations: { i: `${i}`, large: "x".repeat(1_900_000) } }));
      const path = `${on.repository}/referrers/${subject.digest}`;
      const first = await on.expect("GET", path, { status: 200, headers: { link: /rel="next"$/ } });
      assert.ok((await first.arrayBuffer()).byteLength <= 4 * 1024 * 1024);
      const digests = await follow<{ manifests: { digest: string }[] }>(on, path, ({ manifests }) => manifests.map(({ digest }) => digest));
      assert.equal(new Set(digests).size, 3);
    },
  },
});

/** Pushes an image under each of the tags. */
async function tagged(on: Case, tags: readonly string[]): Promise<void> {
  for (const tag of tags) await on.manifest(await on.image(), tag);
}

/** An image, and a bill of materials, a signature and an index that have it as their subject. */
async function referrers(on: Case) {
  const subject = await on.manifest(await on.image());
  const empty = { ...(await on.blob("{}")), mediaType: EMPTY_JSON };
  const artifact = async (artifactType: string, kind: string) =>
    on.manifest(await on.image({ artifactType, config: empty, layers: [empty], subject, annotations: { "org.example.kind": kind } }));
  const bom = await artifact(BOM, "bom");
  const signature = await artifact(SIGNATURE, randomBytes(4).toString("hex"));
  return { subject, bom, signature, index: await on.manifest(on.index([], { subject, annotations: { a: "b" } })) };
}

interface Listed {
  readonly digest: string;
  readonly artifactType?: string;
}

async function list(on: Case, digest: string, query = "", filters?: string): Promise<Listed[]> {
  const headers = { "content-type": OCI_INDEX, "oci-filters-applied": filters };
  const response = await on.expect("GET", `${on.repository}/referrers/${digest}${query}`, { status: 200, headers });
  return ((await response.json()) as { manifests: Listed[] }).manifests;
}

/** All that the pages from `path` on hold. */
async function follow<T>(on: Case, path: string, items: (page: T) => string[]): Promise<string[]> {
  const found: string[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const response: Response = await on.expect("GET", next, { status: 200 });
    found.push(...items((await response.json()) as T));
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return found;
}
