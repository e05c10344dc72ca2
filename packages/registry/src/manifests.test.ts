import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACCOUNT,
  digestOf,
  errorOf,
  keysOf,
  OCI_INDEX,
  OCI_MANIFEST,
  pushBlob,
  pushImage,
  putManifest,
  startRegistry,
} from "./fixture-registry.js";

const APP = `${ACCOUNT}/app`;

test("a manifest is served by tag and by digest, byte for byte", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, APP, { reference: "v1" });
  for (const reference of ["v1", image.digest]) {
    const response = await on.request(`${APP}/manifests/${reference}`);
    assert.equal(await response.text(), image.manifest);
    assert.deepEqual([response.headers.get("docker-content-digest"), response.headers.get("content-type")], [image.digest, OCI_MANIFEST]);
    const head = await on.request(`${APP}/manifests/${reference}`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, `${image.size}`]);
  }
  const unknown = await errorOf(await on.request(`${APP}/manifests/v2`));
  assert.deepEqual([unknown.status, unknown.code], [404, "MANIFEST_UNKNOWN"]);
});

test("manifests that are not what they should be are refused with the reason", async () => {
  await using on = await startRegistry();
  const blob = await pushBlob(on, APP);
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...(await pushBlob(on, APP, Buffer.from("{}"))) };
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...blob };
  const valid = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
  const missing = digestOf("missing");
  const cases: [unknown, string, string, RegExp][] = [
    ["no json", OCI_MANIFEST, "MANIFEST_INVALID", /not JSON/],
    [{ ...valid, layers: undefined }, OCI_MANIFEST, "MANIFEST_INVALID", /layers/],
    [{ ...valid, config: { ...config, digest: "sha256:../.." } }, OCI_MANIFEST, "MANIFEST_INVALID", /config/],
    [valid, OCI_INDEX, "MANIFEST_INVALID", /says that it is/],
    [{ ...valid, mediaType: undefined }, "application/json", "UNSUPPORTED", /does not store manifests of the type application\/json/],
    [{ ...valid, layers: [{ ...layer, digest: missing }] }, OCI_MANIFEST, "MANIFEST_BLOB_UNKNOWN", new RegExp(missing)],
    [{ ...valid, layers: [{ ...layer, size: 5 }] }, OCI_MANIFEST, "MANIFEST_BLOB_UNKNOWN", new RegExp(blob.digest)],
    [{ ...valid, config: { ...config, digest: blob.digest, size: blob.size } }, OCI_MANIFEST, "MANIFEST_INVALID", /config is not JSON/],
    [
      { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest: missing, size: 3 }] },
      OCI_INDEX,
      "MANIFEST_BLOB_UNKNOWN",
      new RegExp(missing),
    ],
  ];
  for (const [manifest, type, code, message] of cases) {
    const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
    const error = await errorOf(await putManifest(on, APP, "bad", text, type));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
  }
  const wrongDigest = await errorOf(await putManifest(on, APP, missing, JSON.stringify(valid)));
  assert.equal(wrongDigest.code, "DIGEST_INVALID");
  const tooLarge = await errorOf(
    await putManifest(on, APP, "big", JSON.stringify({ ...valid, annotations: { a: "x".repeat(5_000_000) } })),
  );
  assert.deepEqual([tooLarge.status, tooLarge.code], [413, "SIZE_INVALID"]);
  assert.deepEqual(await keysOf(on.bucket, `registry/repositories/${APP}/_tags/`), []);
});

test("a blob of another repository does not count", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, APP, { reference: "v1" });
  assert.equal((await errorOf(await putManifest(on, `${ACCOUNT}/two`, "v1", image.manifest))).code, "MANIFEST_BLOB_UNKNOWN");
});

test("an attestation beside the image does not count as a platform", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, APP);
  const attestation = await pushImage(on, APP, { architecture: "unknown" });
  const entry = ({ digest, size }: typeof image, os: string, architecture: string) => ({
    mediaType: OCI_MANIFEST,
    digest,
    size,
    platform: { os, architecture },
  });
  const index = (...manifests: object[]) => JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  const put = (tag: string, ...manifests: object[]) => putManifest(on, APP, tag, index(...manifests), OCI_INDEX);
  assert.equal((await put("good", entry(image, "linux", "amd64"), entry(attestation, "unknown", "unknown"))).status, 201);
  const refused = await errorOf(await put("none", entry(attestation, "unknown", "unknown")));
  assert.deepEqual([refused.status, refused.code], [422, "UNSUPPORTED"]);
  // Without a platform in the index the images' own configs are asked.
  assert.equal((await put("bare", { mediaType: OCI_MANIFEST, digest: image.digest, size: image.size })).status, 201);
});

test("a tag moves with a push; deleting it leaves the image, deleting the image takes its tags", async () => {
  await using on = await startRegistry();
  const first = await pushImage(on, APP, { reference: "latest" });
  const second = await pushImage(on, APP, { reference: "latest" });
  await putManifest(on, APP, "stable", second.manifest);
  const digest = async (reference: string) =>
    (await on.request(`${APP}/manifests/${reference}`, { method: "HEAD" })).headers.get("docker-content-digest");
  assert.equal(await digest("latest"), second.digest);
  assert.equal(await digest(first.digest), first.digest);

  const remove = (reference: string) => on.request(`${APP}/manifests/${reference}`, { method: "DELETE" });
  assert.equal((await remove("latest")).status, 202);
  assert.equal((await errorOf(await remove("latest"))).code, "MANIFEST_UNKNOWN");
  assert.deepEqual([await digest("latest"), await digest("stable"), await digest(second.digest)], [null, second.digest, second.digest]);
  assert.equal((await remove(second.digest)).status, 202);
  assert.deepEqual([await digest("stable"), await digest(second.digest), await digest(first.digest)], [null, null, first.digest]);
});

test("tags and repositories are listed in pages, and as the map that wrangler asks for", async () => {
  await using on = await startRegistry();
  for (const tag of ["c", "a", "b"]) await pushImage(on, APP, { reference: tag });
  await pushImage(on, `${ACCOUNT}/group/two`, { reference: "x" });
  await pushImage(on, `${ACCOUNT}/untagged`);
  await pushBlob(on, `${ACCOUNT}/only-blobs`);
  const get = async (path: string, user = "v1") => {
    const response = await on.request(path, { user });
    return [await response.json(), response.headers.get("link")];
  };
  assert.deepEqual(await get(`${APP}/tags/list`), [{ name: APP, tags: ["a", "b", "c"] }, null]);
  assert.deepEqual(await get(`${APP}/tags/list?n=2`), [{ name: APP, tags: ["a", "b"] }, `</v2/${APP}/tags/list?n=2&last=b>; rel="next"`]);
  assert.deepEqual(await get(`${APP}/tags/list?n=2&last=b`), [{ name: APP, tags: ["c"] }, null]);
  assert.deepEqual(await get(`${APP}/tags/list?n=0`), [{ name: APP, tags: [] }, null]);
  assert.equal((await errorOf(await on.request(`${ACCOUNT}/nothing/tags/list`))).code, "NAME_UNKNOWN");
  assert.equal((await on.request(`${APP}/tags/list?n=many`)).status, 400);

  const all = [APP, `${ACCOUNT}/group/two`, `${ACCOUNT}/untagged`];
  assert.deepEqual(await get("_catalog"), [{ repositories: all }, null]);
  assert.deepEqual((await get("_catalog?n=1"))[0], { repositories: [APP] });
  assert.deepEqual((await get("_catalog?tags=true"))[0], { repositories: { [APP]: ["a", "b", "c"], [`${ACCOUNT}/group/two`]: ["x"] } });
  assert.deepEqual((await get("_catalog?tags=true", "other"))[0], { repositories: {} });
  assert.deepEqual((await get("_catalog", "admin"))[0], { repositories: all });
});

test("referrers of an image are found, by type too", async () => {
  await using on = await startRegistry();
  const image = await pushImage(on, APP, { reference: "v1" });
  const subject = { mediaType: OCI_MANIFEST, digest: image.digest, size: image.size };
  const signature = await pushImage(on, APP, { extra: { subject, artifactType: "test/signature", annotations: { by: "me" } } });
  await pushImage(on, APP, { extra: { subject, artifactType: "test/bom" } });
  const list = async (query = "") => {
    const response = await on.request(`${APP}/referrers/${image.digest}${query}`);
    assert.equal(response.headers.get("content-type"), OCI_INDEX);
    return ((await response.json()) as { manifests: { digest: string; artifactType: string; annotations?: object }[] }).manifests;
  };
  assert.equal((await list()).length, 2);
  const [found, ...others] = await list("?artifactType=test/signature");
  assert.deepEqual([found?.digest, found?.annotations, others.length], [signature.digest, { by: "me" }, 0]);
  await on.request(`${APP}/manifests/${signature.digest}`, { method: "DELETE" });
  assert.equal((await list()).length, 1);
});
