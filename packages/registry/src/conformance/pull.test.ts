import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { OCI_INDEX, OCI_MANIFEST } from "../fixture-registry.js";
import { type Case, specification } from "./cases.js";

specification("pull", {
  "Determining Support": {
    "the base answers 200": async (on) => {
      await on.expect("GET", "", { status: 200 });
      await on.expect("GET", "/v2", { status: 200 });
    },
  },
  "Pulling manifests": {
    "by digest and by tag the very bytes come, with their type and digest": async (on) => {
      const manifest = await on.image();
      await on.manifest(manifest);
      // A tag's digest is the usual one, whatever the blobs have.
      const byTag = await on.registry.request(`${on.repository}/manifests/v1`, {
        method: "PUT",
        headers: { "content-type": OCI_MANIFEST },
        body: manifest,
      });
      const digests = { [on.digest(manifest)]: on.digest(manifest), v1: byTag.headers.get("docker-content-digest") ?? "" };
      for (const [reference, digest] of Object.entries(digests)) {
        const headers = { "content-type": OCI_MANIFEST, "docker-content-digest": digest, "content-length": `${manifest.length}` };
        const accept = { accept: `${OCI_INDEX}, ${OCI_MANIFEST}` };
        await on.expect(
          "GET",
          `${on.repository}/manifests/${reference}`,
          { status: 200, headers, body: Buffer.from(manifest) },
          { headers: accept },
        );
      }
    },
    "one that is not there is 404": async (on) => {
      const missing = { status: 404, code: "MANIFEST_UNKNOWN" };
      await on.expect("GET", `${on.repository}/manifests/${on.digest("missing")}`, missing);
      await on.expect("GET", `${on.repository}/manifests/missing`, missing);
    },
    "what is neither a digest nor a tag is refused": async (on) => {
      await on.expect("GET", `${on.repository}/manifests/sha256:totallywrong`, { status: 400, code: "DIGEST_INVALID" });
      await on.expect("GET", `${on.repository}/manifests/.v1`, { status: 400, code: "NAME_INVALID" });
      await on.expect("GET", `${on.repository}/manifests/${"a".repeat(129)}`, { status: 400, code: "NAME_INVALID" });
      await on.expect("GET", `${on.repository}/UPPER/manifests/v1`, { status: 400, code: "NAME_INVALID" });
    },
  },
  "Pulling blobs": {
    "the bytes come with their digest": async (on) => {
      for (const bytes of [randomBytes(2048), Buffer.from("{}"), Buffer.alloc(0)]) {
        const { digest } = await on.blob(bytes);
        const headers = { "docker-content-digest": digest, "content-length": `${bytes.length}` };
        await on.expect("GET", `${on.repository}/blobs/${digest}`, { status: 200, headers, body: bytes });
      }
    },
    "one that is not there is 404, also when another repository has it": async (on) => {
      const { digest } = await on.blob(undefined, on.other);
      await on.expect("GET", `${on.repository}/blobs/${digest}`, { status: 404, code: "BLOB_UNKNOWN" });
      await on.expect("GET", `${on.repository}/blobs/${on.digest("missing")}`, { status: 404, code: "BLOB_UNKNOWN" });
    },
    "a range is served as RFC 9110 says": async (on) => {
      const bytes = randomBytes(2048);
      const { digest } = await on.blob(bytes);
      const parts: [string, number, number][] = [
        ["500-1499", 500, 1499],
        ["500-", 500, 2047],
        ["-500", 1548, 2047],
        ["2000-5000", 2000, 2047],
        ["0-0", 0, 0],
      ];
      for (const [range, start, end] of parts) {
        const headers = { "content-range": `bytes ${start}-${end}/2048`, "content-length": `${end - start + 1}`, "accept-ranges": "bytes" };
        const expected = { status: 206, headers, body: bytes.subarray(start, end + 1) };
        await on.expect("GET", `${on.repository}/blobs/${digest}`, expected, { headers: { range: `bytes=${range}` } });
      }
      for (const range of ["500-0", "5000-10000", "-0"]) {
        const expected = { status: 416, headers: { "content-range": "bytes */2048" } };
        await on.expect("GET", `${on.repository}/blobs/${digest}`, expected, { headers: { range: `bytes=${range}` } });
      }
    },
    "a pull goes on where it broke off, and from the start when the blob is another one": async (on) => {
      const bytes = randomBytes(2048);
      const { digest } = await on.blob(bytes);
      const path = `${on.repository}/blobs/${digest}`;
      const etag = (await on.expect("GET", path, { status: 200 })).headers.get("etag") ?? "";
      await on.expect("GET", path, { status: 206, body: bytes.subarray(700) }, { headers: { range: "bytes=700-", "if-range": etag } });
      await on.expect("GET", path, { status: 200, body: bytes }, { headers: { range: "bytes=700-", "if-range": '"another"' } });
    },
  },
  "Checking if content exists in the registry": {
    "HEAD of a manifest has its digest and size, and no body": async (on) => {
      const manifest = await on.image();
      const { digest } = await on.manifest(manifest);
      const headers = { "docker-content-digest": digest, "content-length": `${manifest.length}`, "content-type": OCI_MANIFEST };
      await on.expect("HEAD", `${on.repository}/manifests/${digest}`, { status: 200, headers, body: Buffer.alloc(0) });
    },
    "HEAD of a blob has its digest and size, and no body": async (on) => {
      const { digest, size } = await on.blob();
      const headers = { "docker-content-digest": digest, "content-length": `${size}` };
      await on.expect("HEAD", `${on.repository}/blobs/${digest}`, { status: 200, headers, body: Buffer.alloc(0) });
    },
    "HEAD of what is not there is 404": async (on) => {
      for (const path of [`manifests/${on.digest("missing")}`, "manifests/missing", `blobs/${on.digest("missing")}`]) {
        await on.expect("HEAD", `${on.repository}/${path}`, { status: 404 });
      }
    },
  },
  "Error Codes": {
    "each is an upper case name of the list, with a message": async (on: Case) => {
      const failures: [string, string, number, string][] = [
        ["GET", `${on.repository}/manifests/missing`, 404, "MANIFEST_UNKNOWN"],
        ["GET", `${on.repository}/tags/list`, 404, "NAME_UNKNOWN"],
        ["GET", `${on.repository}/blobs/uploads/${crypto.randomUUID()}`, 404, "BLOB_UPLOAD_UNKNOWN"],
        ["GET", "ffffffffffffffffffffffffffffffff/app/tags/list", 403, "DENIED"],
        ["PATCH", `${on.repository}/manifests/v1`, 405, "UNSUPPORTED"],
      ];
      for (const [method, path, status, code] of failures) await on.expect(method, path, { status, code });
      const stranger = await on.registry.request("", { headers: { authorization: "" } });
      assert.equal(stranger.status, 401);
      assert.match(await stranger.text(), /"UNAUTHORIZED"/);
    },
  },
});
