import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { OCI_INDEX, OCI_MANIFEST } from "../fixture-registry.js";
import { type Case, EMPTY_JSON, specification } from "./cases.js";

const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

specification("push of manifests", {
  "Pushing Manifests": {
    "the answer says where the manifest is, and there it is, byte for byte": async (on) => {
      const manifest = ` ${await on.image()}\n`;
      const digest = on.digest(manifest);
      const answer = await put(on, digest, manifest, { status: 201, headers: { "docker-content-digest": digest } });
      const expected = { status: 200, body: Buffer.from(manifest), headers: { "content-type": OCI_MANIFEST } };
      await on.expect("GET", answer.headers.get("location") ?? "missing", expected);
    },
    "Docker's own manifests and lists are kept as such": async (on) => {
      const manifest = await on.image({ mediaType: DOCKER_MANIFEST });
      const image = await on.manifest(manifest);
      await on.expect("GET", `${on.repository}/manifests/${image.digest}`, { status: 200, headers: { "content-type": DOCKER_MANIFEST } });
      const list = JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_LIST, manifests: [{ ...image, platform: amd64 }] });
      await put(on, "list", list, { status: 201 }, DOCKER_LIST);
      await on.expect("GET", `${on.repository}/manifests/list`, { status: 200, headers: { "content-type": DOCKER_LIST } });
    },
    "parameters of the Content-Type are ignored": async (on) => {
      const manifest = await on.image();
      await put(on, on.digest(manifest), manifest, { status: 201 }, `${OCI_MANIFEST}; charset=utf-8`);
      await on.expect("GET", `${on.repository}/manifests/${on.digest(manifest)}`, {
        status: 200,
        headers: { "content-type": OCI_MANIFEST },
      });
    },
    "a digest that is not the manifest's is refused": async (on) => {
      const manifest = await on.image();
      await put(on, on.digest(`${manifest} `), manifest, { status: 400, code: "DIGEST_INVALID" });
      await on.expect("GET", `${on.repository}/manifests/${on.digest(manifest)}`, { status: 404 });
    },
    "blobs that are not there are named": async (on) => {
      const missing = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: on.digest("missing"), size: 7 };
      const answer = await put(on, "v1", await on.image({ layers: [missing] }), { status: 404, code: "MANIFEST_BLOB_UNKNOWN" });
      assert.ok((await answer.text()).includes(missing.digest));
    },
    "no layers, layers with their data, fields of one's own, layers that only their maker may give away": async (on) => {
      const foreign = { mediaType: FOREIGN_LAYER, digest: on.digest(randomBytes(9)), size: 9, urls: ["https://store.example.com/layer"] };
      const data = { ...(await on.blob("data")), data: Buffer.from("data").toString("base64") };
      for (const changes of [{ layers: [] }, { layers: [data] }, { custom: { a: [1] }, layers: [] }, { layers: [foreign] }]) {
        await put(on, "v1", await on.image(changes), { status: 201 });
      }
    },
    "artifacts: a type, an empty config": async (on) => {
      const empty = { ...(await on.blob("{}")), mediaType: EMPTY_JSON };
      await put(on, "v1", await on.image({ artifactType: "application/vnd.example.thing", config: empty, layers: [empty] }), {
        status: 201,
      });
    },
    "4 megabytes are taken, more are 413": async (on) => {
      const annotations = (length: number) => on.image({ annotations: { a: "x".repeat(length) } });
      const large = await annotations(4_000_000);
      await put(on, on.digest(large), large, { status: 201 });
      await put(on, "v1", await annotations(4_300_000), { status: 413, code: "SIZE_INVALID" });
    },
    "what is no manifest is refused": async (on) => {
      const image = await on.image();
      const bad: [string, string, string][] = [
        ["", OCI_MANIFEST, "MANIFEST_INVALID"],
        ["[]", OCI_MANIFEST, "MANIFEST_INVALID"],
        [image, OCI_INDEX, "MANIFEST_INVALID"],
        [image.replace('"schemaVersion":2', '"schemaVersion":1'), OCI_MANIFEST, "MANIFEST_INVALID"],
        [JSON.stringify({ schemaVersion: 1, fsLayers: [] }), "application/vnd.docker.distribution.manifest.v1+prettyjws", "UNSUPPORTED"],
      ];
      for (const [text, type, code] of bad) {
        const answer = await on.registry.request(`${on.repository}/manifests/v1`, {
          method: "PUT",
          headers: { "content-type": type },
          body: text,
        });
        assert.ok([400, 422].includes(answer.status) && (await answer.text()).includes(code), text.slice(0, 99));
      }
    },
    "by digest with tag parameters, each accepted one is named": async (on) => {
      const manifest = await on.image();
      const tags = Array.from({ length: 12 }, (_, i) => `tag-${i}`);
      const reference = `${on.digest(manifest)}?${tags.map((tag) => `tag=${tag}`).join("&")}`;
      const answer = await put(on, reference, manifest, { status: 201 });
      assert.deepEqual(answer.headers.get("oci-tag")?.split(", "), tags);
      for (const tag of tags) {
        const expected = { status: 200, headers: { "docker-content-digest": on.digest(manifest) }, body: Buffer.from(manifest) };
        await on.expect("GET", `${on.repository}/manifests/${tag}`, expected);
      }
      await put(on, `${on.digest(manifest)}?tag=good&tag=-bad`, manifest, { status: 400, code: "NAME_INVALID" });
      await on.expect("HEAD", `${on.repository}/manifests/good`, { status: 404 });
    },
  },
  "Image Index": {
    "an index of images for several platforms, with linux/amd64 among them": async (on) => {
      const images = [await on.manifest(await on.image({}, "amd64")), await on.manifest(await on.image({}, "arm64"))];
      const platforms = [amd64, { os: "linux", architecture: "arm64" }];
      const index = on.index(images.map((image, i) => ({ ...image, platform: platforms[i] })));
      const headers = { "content-type": OCI_INDEX };
      await put(on, "v1", index, { status: 201 }, OCI_INDEX);
      await on.expect("GET", `${on.repository}/manifests/v1`, { status: 200, headers, body: Buffer.from(index) });
    },
    "an index of indexes, an empty one, one of artifacts": async (on) => {
      const inner = await on.manifest(on.index([{ ...(await on.manifest(await on.image())), platform: amd64 }]));
      await put(on, "outer", on.index([inner, inner]), { status: 201 }, OCI_INDEX);
      await put(on, "empty", on.index([]), { status: 201 }, OCI_INDEX);
      const empty = { ...(await on.blob("{}")), mediaType: EMPTY_JSON };
      const artifact = await on.manifest(await on.image({ config: empty, layers: [empty] }));
      await put(on, "artifacts", on.index([artifact], { artifactType: "application/vnd.example.thing" }), { status: 201 }, OCI_INDEX);
    },
    "an image that is not there is named; one for a platform that nothing runs on here may be absent": async (on) => {
      const missing = { mediaType: OCI_MANIFEST, digest: on.digest("missing"), size: 7 };
      const here = { ...(await on.manifest(await on.image())), platform: amd64 };
      for (const absent of [missing, { ...missing, platform: amd64 }]) {
        await put(on, "v1", on.index([here, absent]), { status: 404, code: "MANIFEST_BLOB_UNKNOWN" }, OCI_INDEX);
      }
      await put(on, "v1", on.index([here, { ...missing, platform: { os: "linux", architecture: "arm64" } }]), { status: 201 }, OCI_INDEX);
    },
    "without linux/amd64 a tag is refused, at any depth": async (on) => {
      const other = await on.manifest(await on.image({}, "arm64"));
      const inner = await on.manifest(on.index([other]));
      for (const index of [
        on.index([{ ...other, platform: { os: "linux", architecture: "arm64" } }]),
        on.index([other]),
        on.index([inner]),
      ]) {
        const refused = await put(on, "v1", index, { status: 422, code: "UNSUPPORTED" }, OCI_INDEX);
        assert.match(await refused.text(), /is for linux\/arm64, but containers run on linux\/amd64/);
      }
    },
  },
  "Pushing Manifests with Subject": {
    "the subject is acknowledged, whether it is there or not": async (on) => {
      const subject = await on.manifest(await on.image());
      const missing = { mediaType: OCI_MANIFEST, digest: on.digest(randomBytes(9)), size: 9 };
      for (const one of [subject, missing]) {
        const signature = await on.image({ subject: one, config: { ...(await on.blob("{}")), mediaType: EMPTY_JSON } });
        await put(on, on.digest(signature), signature, { status: 201, headers: { "oci-subject": one.digest } });
        const index = on.index([], { subject: one });
        await put(on, on.digest(index), index, { status: 201, headers: { "oci-subject": one.digest } }, OCI_INDEX);
      }
      const none = await on.image();
      await put(on, on.digest(none), none, { status: 201, headers: { "oci-subject": undefined } });
    },
  },
  "Repository names": {
    "as the specification's expression says": async (on) => {
      const account = on.repository.split("/")[0];
      const parts = ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c", "uploads", "blobs/uploads", "tags", "manifests/x", "gc"];
      for (const part of parts) await on.expect("POST", `${account}/${part}/blobs/uploads/`, { status: 202 });
      const bad = ["A", ".a", "a.", "a..b", "a___b", "-a", "a_-b", "_catalog", "a//b", `${"a".repeat(255)}`];
      for (const part of bad) await on.expect("POST", `${account}/${part}/blobs/uploads/`, { status: 400, code: "NAME_INVALID" });
    },
  },
});

const amd64 = { os: "linux", architecture: "amd64" };

function put(on: Case, reference: string, manifest: string, expected: Parameters<Case["expect"]>[2], type?: string): Promise<Response> {
  const { mediaType = OCI_MANIFEST } = type === undefined ? (JSON.parse(manifest) as { mediaType?: string }) : {};
  return on.expect("PUT", `${on.repository}/manifests/${reference}`, expected, {
    headers: { "content-type": type ?? mediaType },
    body: manifest,
  });
}
