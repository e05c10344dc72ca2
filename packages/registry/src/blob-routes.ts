import { pipeline } from "node:stream/promises";
import type { BlobStore } from "./blob-store.js";
import { RegistryError } from "./errors.js";
import { type Exchange, requestedRange } from "./http.js";

interface BlobTarget {
  readonly repository: string;
  readonly digest: string;
}

/** `HEAD` and `GET` of a blob, also of a part of it. */
export async function serveBlob(blobs: BlobStore, { repository, digest }: BlobTarget, { req, res }: Exchange): Promise<void> {
  const found = await blobs.find(repository, digest);
  if (found === undefined) throw unknownBlob(repository, digest);
  const range = req.method === "GET" ? requestedRange(req.headers.range, found.size) : undefined;
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
    "content-length": range === undefined ? found.size : range.end - range.start + 1,
    ...(range === undefined ? {} : { "content-range": `bytes ${range.start}-${range.end}/${found.size}` }),
  };
  if (req.method === "HEAD") {
    res.writeHead(200, headers).end();
    return;
  }
  const object = await blobs.read(digest, range);
  if (object === undefined) throw unknownBlob(repository, digest);
  res.writeHead(range === undefined ? 200 : 206, headers);
  await pipeline(object.body, res);
}

function unknownBlob(repository: string, digest: string): RegistryError {
  return new RegistryError("BLOB_UNKNOWN", `The repository ${repository} has no blob ${digest}.`, {
    hint: "Push the image again.",
    details: { digest },
  });
}
