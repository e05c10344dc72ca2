import { pipeline } from "node:stream/promises";
import type { BlobStore } from "./blob-store.js";
import { RegistryError } from "./errors.js";
import { type Exchange, requestedRange, sendEmpty } from "./http.js";
import type { ManifestStore } from "./manifest-store.js";

interface BlobTarget {
  readonly repository: string;
  readonly digest: string;
}

/** What can be done with blobs that are there. */
export class BlobRoutes {
  readonly #blobs: BlobStore;
  readonly #manifests: ManifestStore;

  constructor(blobs: BlobStore, manifests: ManifestStore) {
    this.#blobs = blobs;
    this.#manifests = manifests;
  }

  /** `HEAD` and `GET …/blobs/<digest>`, also of a part of it. */
  async serve({ repository, digest }: BlobTarget, { req, res }: Exchange): Promise<void> {
    const found = await this.#blobs.find(repository, digest);
    if (found === undefined) throw unknownBlob(repository, digest);
    const etag = `"${digest}"`;
    const condition = req.headers["if-range"];
    const wantsPart = req.method === "GET" && (condition === undefined || condition === etag);
    const range = wantsPart ? requestedRange(req.headers.range, found.size) : undefined;
    const headers = {
      "content-type": "application/octet-stream",
      "docker-content-digest": digest,
      etag,
      "accept-ranges": "bytes",
      "cache-control": "private, max-age=31536000, immutable",
      "content-length": range === undefined ? found.size : range.end - range.start + 1,
      ...(range === undefined ? {} : { "content-range": `bytes ${range.start}-${range.end}/${found.size}` }),
    };
    if (req.method === "HEAD") {
      res.writeHead(200, headers).end();
      return;
    }
    const object = await this.#blobs.read(digest, range);
    if (object === undefined) throw unknownBlob(repository, digest);
    res.writeHead(range === undefined ? 200 : 206, headers);
    await pipeline(object.body, res);
  }

  /** `DELETE …/blobs/<digest>`: takes away what no image of the repository needs. The space comes back when garbage is collected. */
  async delete({ repository, digest }: BlobTarget, { res }: Exchange): Promise<void> {
    await this.#manifests.undisturbed(repository, async () => {
      if ((await this.#blobs.find(repository, digest)) === undefined) throw unknownBlob(repository, digest);
      const user = await this.#manifests.userOf(repository, digest);
      if (user !== undefined) {
        throw new RegistryError("DENIED", `The blob ${digest} is a part of the image ${repository}@${user}.`, {
          status: 405,
          hint: "Delete the image: what only it needs goes with it.",
          details: { digest, manifest: user },
          headers: { allow: "GET, HEAD" },
        });
      }
      await this.#blobs.delete(repository, digest);
    });
    sendEmpty(res, 202);
  }
}

function unknownBlob(repository: string, digest: string): RegistryError {
  return new RegistryError("BLOB_UNKNOWN", `The repository ${repository} has no blob ${digest}.`, {
    hint: "Push the image again.",
    details: { digest },
  });
}
