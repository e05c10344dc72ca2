import { randomBytes } from "node:crypto";
import { type Case, specification } from "./cases.js";

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

specification("push of blobs", {
  "Pushing a blob monolithically": {
    "POST then PUT": async (on) => {
      const bytes = randomBytes(512);
      const begun = await on.expect("POST", `${on.repository}/blobs/uploads/`, { status: 202, headers: { location: UUID } });
      const put = `${begun.headers.get("location")}?digest=${on.digest(bytes)}`;
      await landed(on, bytes, await on.expect("PUT", put, { status: 201 }, { headers: octets, body: bytes }));
    },
    "a single POST": async (on) => {
      for (const bytes of [randomBytes(512), Buffer.alloc(0)]) {
        const post = `${on.repository}/blobs/uploads/?digest=${on.digest(bytes)}`;
        await landed(on, bytes, await on.expect("POST", post, { status: 201 }, { headers: octets, body: bytes }));
      }
    },
    "bytes with another digest are refused, and are not there": async (on) => {
      const wrong = `?digest=${on.digest("other")}`;
      const refused = { status: 400, code: "DIGEST_INVALID" };
      await on.expect("POST", `${on.repository}/blobs/uploads/${wrong}`, refused, { body: "these" });
      await on.expect("PUT", (await on.begin()) + wrong, refused, { body: "these" });
      await on.expect("HEAD", `${on.repository}/blobs/${on.digest("these")}`, { status: 404 });
      await on.expect("HEAD", `${on.repository}/blobs/${on.digest("other")}`, { status: 404 });
    },
    "a digest that is none, or of an unknown algorithm, is refused": async (on) => {
      for (const digest of ["", "sha256", "sha256:12", `sha1:${"a".repeat(40)}`, `${on.digest("x").toUpperCase()}`]) {
        await on.expect("POST", `${on.repository}/blobs/uploads/?digest=${digest}`, { status: 400, code: "DIGEST_INVALID" }, { body: "x" });
        await on.expect("PUT", `${await on.begin()}?digest=${digest}`, { status: 400, code: "DIGEST_INVALID" }, { body: "x" });
      }
      await on.expect("POST", `${on.repository}/blobs/uploads/?digest-algorithm=md5`, { status: 400, code: "DIGEST_INVALID" });
    },
  },
  "Pushing a blob in chunks": {
    "PATCH by PATCH with Content-Range, then PUT without a body": async (on) => {
      const bytes = randomBytes(3000);
      const last = await chunks(on, bytes, [1000, 2000, 3000]);
      await landed(on, bytes, await on.expect("PUT", `${last}?digest=${on.digest(bytes)}`, { status: 201 }));
    },
    "the last chunk may come with the PUT": async (on) => {
      const bytes = randomBytes(3000);
      const last = await chunks(on, bytes, [1000, 2000]);
      const headers = { ...octets, "content-range": "2000-2999" };
      const put = `${last}?digest=${on.digest(bytes)}`;
      await landed(on, bytes, await on.expect("PUT", put, { status: 201 }, { headers, body: bytes.subarray(2000) }));
    },
    "in one stream, without Content-Range": async (on) => {
      const bytes = randomBytes(3000);
      const at = await on.begin();
      const patched = await on.expect("PATCH", at, { status: 202, headers: { range: "0-2999" } }, { headers: octets, body: bytes });
      const put = `${patched.headers.get("location")}?digest=${on.digest(bytes)}`;
      await landed(on, bytes, await on.expect("PUT", put, { status: 201 }));
    },
    "with the algorithm named at the beginning": async (on) => {
      const bytes = randomBytes(3000);
      const begun = await on.expect("POST", `${on.repository}/blobs/uploads/?digest-algorithm=${on.algorithm}`, { status: 202 });
      const at = begun.headers.get("location") ?? "";
      await on.expect("PATCH", at, { status: 202 }, { headers: octets, body: bytes });
      await landed(on, bytes, await on.expect("PUT", `${at}?digest=${on.digest(bytes)}`, { status: 201 }));
    },
    "a chunk out of order is 416, a GET tells where to go on, and the upload can go on": async (on) => {
      const bytes = randomBytes(3000);
      const at = await chunks(on, bytes, [1000]);
      const digest = `?digest=${on.digest(bytes)}`;
      for (const [method, from, to] of [
        ["PATCH", 2000, 3000],
        ["PATCH", 0, 1000],
        ["PATCH", 999, 1999],
        ["PUT", 2000, 3000],
      ] as const) {
        const sent = { headers: { ...octets, "content-range": `${from}-${to - 1}` }, body: bytes.subarray(from, to) };
        await on.expect(method, method === "PUT" ? at + digest : at, { status: 416, headers: { range: "0-999" } }, sent);
        await on.expect("GET", at, { status: 204, headers: { range: "0-999", location: at } });
      }
      const sent = { headers: { ...octets, "content-range": "1000-2999" }, body: bytes.subarray(1000) };
      await on.expect("PATCH", at, { status: 202, headers: { range: "0-2999" } }, sent);
      await landed(on, bytes, await on.expect("PUT", at + digest, { status: 201 }));
    },
    "a first chunk that does not begin with 0 is 416": async (on) => {
      const sent = { headers: { ...octets, "content-range": "5-9" }, body: "01234" };
      await on.expect("PATCH", await on.begin(), { status: 416 }, sent);
    },
    "a Content-Range that is none is refused": async (on) => {
      for (const range of ["bytes", "1", "0-", "a-b", "5-1"]) {
        const at = await on.begin();
        const answer = await on.registry.request(at, { method: "PATCH", headers: { "content-range": range }, body: "12345" });
        if (answer.status !== 416 && answer.status !== 400) throw new Error(`${range}: ${answer.status}`);
      }
    },
    "another digest in the end is refused": async (on) => {
      const at = await chunks(on, randomBytes(2000), [1000, 2000]);
      await on.expect("PUT", `${at}?digest=${on.digest("other")}`, { status: 400, code: "DIGEST_INVALID" });
    },
    "an upload that is not there is 404": async (on) => {
      const at = `${on.repository}/blobs/uploads/${crypto.randomUUID()}`;
      for (const method of ["GET", "PATCH", "DELETE"]) await on.expect(method, at, { status: 404 });
      await on.expect("PUT", `${at}?digest=${on.digest("x")}`, { status: 404, code: "BLOB_UPLOAD_UNKNOWN" });
    },
  },
  "Cancel a blob upload": {
    "DELETE ends it": async (on) => {
      const at = await chunks(on, randomBytes(1000), [1000]);
      await on.expect("DELETE", at, { status: 204 });
      await on.expect("GET", at, { status: 404, code: "BLOB_UPLOAD_UNKNOWN" });
      await on.expect("PATCH", at, { status: 404 }, { body: "x" });
    },
  },
  "Mounting a blob from another repository": {
    "a blob that is there is mounted": async (on) => {
      const bytes = randomBytes(512);
      const { digest } = await on.blob(bytes, on.other);
      const post = `${on.repository}/blobs/uploads/?mount=${digest}&from=${encodeURIComponent(on.other)}`;
      await landed(on, bytes, await on.expect("POST", post, { status: 201 }));
    },
    "without from, it is looked for in the account": async (on) => {
      const bytes = randomBytes(512);
      const { digest } = await on.blob(bytes, on.other);
      await landed(on, bytes, await on.expect("POST", `${on.repository}/blobs/uploads/?mount=${digest}`, { status: 201 }));
    },
    "one that is not there begins an upload": async (on) => {
      const bytes = randomBytes(512);
      for (const from of [`&from=${encodeURIComponent(on.other)}`, ""]) {
        const post = `${on.repository}/blobs/uploads/?mount=${on.digest(bytes)}${from}`;
        const begun = await on.expect("POST", post, { status: 202, headers: { location: UUID } });
        if (from === "") continue;
        const put = `${begun.headers.get("location")}?digest=${on.digest(bytes)}`;
        await landed(on, bytes, await on.expect("PUT", put, { status: 201 }, { headers: octets, body: bytes }));
        await on.expect("DELETE", `${on.repository}/blobs/${on.digest(bytes)}`, { status: 202 });
      }
    },
    "what another account has is not mounted": async (on) => {
      const bytes = randomBytes(512);
      const foreign = `ffffffffffffffffffffffffffffffff/${on.repository.split("/").at(-1)}`;
      await on.registry.request(`${foreign}/blobs/uploads/?digest=${on.digest(bytes)}`, {
        method: "POST",
        body: new Uint8Array(bytes),
        user: "other",
      });
      for (const from of [`&from=${foreign}`, ""]) {
        await on.expect("POST", `${on.repository}/blobs/uploads/?mount=${on.digest(bytes)}${from}`, { status: 202 });
      }
      await on.expect("HEAD", `${on.repository}/blobs/${on.digest(bytes)}`, { status: 404 });
    },
  },
});

const octets = { "content-type": "application/octet-stream" };

/** The answer says where the blob is, and there it is. */
async function landed(on: Case, bytes: Buffer, answer: Response): Promise<void> {
  const digest = on.digest(bytes);
  if (answer.headers.get("docker-content-digest") !== digest)
    throw new Error(`the digest is ${answer.headers.get("docker-content-digest")}`);
  const headers = { "docker-content-digest": digest };
  await on.expect("GET", answer.headers.get("location") ?? "missing", { status: 200, headers, body: bytes });
}

/** Sends the first bytes in chunks that end at `ends`; where the upload goes on. */
async function chunks(on: Case, bytes: Buffer, ends: readonly number[]): Promise<string> {
  let at = await on.begin();
  let start = 0;
  for (const end of ends) {
    const sent = { headers: { ...octets, "content-range": `${start}-${end - 1}` }, body: bytes.subarray(start, end) };
    const answer = await on.expect("PATCH", at, { status: 202, headers: { range: `0-${end - 1}`, location: UUID } }, sent);
    at = answer.headers.get("location") ?? "";
    start = end;
  }
  return at;
}
