import { specification } from "./cases.js";

specification("content management", {
  "Deleting tags": {
    "the tag is gone, its manifest and other tags stay": async (on) => {
      const manifest = await on.image();
      const { digest } = await on.manifest(manifest);
      for (const tag of ["one", "two"]) await on.manifest(manifest, tag);
      await on.expect("DELETE", `${on.repository}/manifests/one`, { status: 202 });
      for (const method of ["GET", "HEAD", "DELETE"]) await on.expect(method, `${on.repository}/manifests/one`, { status: 404 });
      await on.expect("GET", `${on.repository}/manifests/two`, { status: 200 });
      await on.expect("GET", `${on.repository}/manifests/${digest}`, { status: 200 });
    },
  },
  "Deleting Manifests": {
    "the manifest is gone, and every tag that led to it": async (on) => {
      const manifest = await on.image();
      const digest = on.digest(manifest);
      await on.expect(
        "PUT",
        `${on.repository}/manifests/${digest}?tag=one&tag=two`,
        { status: 201 },
        { headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body: manifest },
      );
      await on.expect("DELETE", `${on.repository}/manifests/${digest}`, { status: 202 });
      for (const reference of [digest, "one", "two"]) {
        for (const method of ["GET", "HEAD", "DELETE"]) await on.expect(method, `${on.repository}/manifests/${reference}`, { status: 404 });
      }
    },
    "what another repository has under the same digest stays": async (on) => {
      const manifest = await on.image();
      await on.manifest(manifest);
      const other = { method: "PUT", headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }, body: manifest };
      for (const { digest } of [JSON.parse(manifest).config, ...JSON.parse(manifest).layers] as { digest: string }[]) {
        await on.expect("POST", `${on.other}/blobs/uploads/?mount=${digest}&from=${on.repository}`, { status: 201 });
      }
      await on.registry.request(`${on.other}/manifests/${on.digest(manifest)}`, other);
      await on.expect("DELETE", `${on.repository}/manifests/${on.digest(manifest)}`, { status: 202 });
      await on.expect("GET", `${on.other}/manifests/${on.digest(manifest)}`, { status: 200 });
    },
    "what is not there is 404, what is no reference is 400": async (on) => {
      await on.expect("DELETE", `${on.repository}/manifests/${on.digest("missing")}`, { status: 404, code: "MANIFEST_UNKNOWN" });
      await on.expect("DELETE", `${on.repository}/manifests/sha256:nonsense`, { status: 400, code: "DIGEST_INVALID" });
    },
  },
  "Deleting Blobs": {
    "the blob is gone from this repository, and from no other": async (on) => {
      const { digest } = await on.blob();
      await on.expect("POST", `${on.other}/blobs/uploads/?mount=${digest}&from=${on.repository}`, { status: 201 });
      await on.expect("DELETE", `${on.repository}/blobs/${digest}`, { status: 202 });
      for (const method of ["GET", "HEAD", "DELETE"]) await on.expect(method, `${on.repository}/blobs/${digest}`, { status: 404 });
      await on.expect("GET", `${on.other}/blobs/${digest}`, { status: 200 });
    },
    "a part of an image is refused until the image is deleted": async (on) => {
      const manifest = await on.image();
      const image = await on.manifest(manifest);
      const { config, layers } = JSON.parse(manifest) as { config: { digest: string }; layers: { digest: string }[] };
      for (const { digest } of [config, ...layers]) {
        await on.expect("DELETE", `${on.repository}/blobs/${digest}`, { status: 405, code: "DENIED", headers: { allow: "GET, HEAD" } });
        await on.expect("HEAD", `${on.repository}/blobs/${digest}`, { status: 200 });
      }
      await on.expect("DELETE", `${on.repository}/manifests/${image.digest}`, { status: 202 });
      for (const { digest } of [config, ...layers]) await on.expect("DELETE", `${on.repository}/blobs/${digest}`, { status: 202 });
    },
    "what is not there is 404, what is no digest is 400": async (on) => {
      await on.expect("DELETE", `${on.repository}/blobs/${on.digest("missing")}`, { status: 404, code: "BLOB_UNKNOWN" });
      await on.expect("DELETE", `${on.repository}/blobs/sha256:nonsense`, { status: 400, code: "DIGEST_INVALID" });
    },
  },
});
