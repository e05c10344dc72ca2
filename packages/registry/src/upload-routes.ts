import type { BlobStore } from "./blob-store.js";
import { algorithmOf, checkedAlgorithm } from "./digests.js";
import { RegistryError } from "./errors.js";
import { bodyOf, contentLength, type Exchange, mayName, mayNameAccountOf, sendEmpty } from "./http.js";
import { checkedDigest, checkedRepository } from "./routes.js";
import type { Upload, UploadStore } from "./upload-store.js";

interface UploadTarget {
  readonly repository: string;
  readonly id: string;
}

/** How blobs come in: mounted from another repository, in one request, or in pieces. */
export class UploadRoutes {
  readonly #uploads: UploadStore;
  readonly #blobs: BlobStore;

  constructor(uploads: UploadStore, blobs: BlobStore) {
    this.#uploads = uploads;
    this.#blobs = blobs;
  }

  /** `POST …/blobs/uploads/`: mounts with `?mount=`, takes the whole blob with `?digest=`, else begins an upload (`?digest-algorithm=`). */
  async begin(repository: string, exchange: Exchange): Promise<void> {
    const { query, res, req } = exchange;
    if (await this.#mounted(repository, exchange)) return;
    const wanted = query.get("digest");
    if (wanted === null) {
      sendEmpty(res, 202, progressHeaders(await this.#uploads.create(repository, checkedAlgorithm(query.get("digest-algorithm")))));
      return;
    }
    const digest = checkedDigest(wanted);
    const upload = await this.#uploads.create(repository, algorithmOf(digest));
    try {
      await this.#uploads.append(upload, 0, this.#blobs.arriving(repository, 0, bodyOf(req)));
    } catch (error) {
      await this.#discardIfThere(upload);
      throw error;
    }
    await this.#finish(upload, digest, exchange);
  }

  /** `PATCH …/blobs/uploads/<id>`: the next piece. */
  async patch({ repository, id }: UploadTarget, { req, res }: Exchange): Promise<void> {
    const upload = await this.#uploads.find(repository, id);
    sendEmpty(res, 202, progressHeaders(await this.#append(upload, req)));
  }

  /** `PUT …/blobs/uploads/<id>?digest=`: perhaps a last piece, then the blob is there. */
  async finish({ repository, id }: UploadTarget, exchange: Exchange): Promise<void> {
    const digest = checkedDigest(exchange.query.get("digest") ?? "");
    const upload = await this.#append(await this.#uploads.find(repository, id), exchange.req);
    await this.#finish(upload, digest, exchange);
  }

  /** `GET …/blobs/uploads/<id>`: how much has arrived. */
  async status({ repository, id }: UploadTarget, { res }: Exchange): Promise<void> {
    sendEmpty(res, 204, progressHeaders(await this.#uploads.find(repository, id)));
  }

  /** `DELETE …/blobs/uploads/<id>`. */
  async cancel({ repository, id }: UploadTarget, { res }: Exchange): Promise<void> {
    await this.#uploads.discard(await this.#uploads.find(repository, id));
    sendEmpty(res, 204);
  }

  async #mounted(repository: string, { query, res, access }: Exchange): Promise<boolean> {
    const mount = query.get("mount");
    if (mount === null) return false;
    const digest = checkedDigest(mount);
    const from = query.get("from");
    if (from !== null) checkedRepository(from);
    // A repository that the caller may not read counts as one without the blob: the client then sends the bytes.
    if (!access.pull) return false;
    const fromThere = from !== null && mayName(access, from) && (await this.#blobs.mount(repository, digest, from));
    if (!fromThere && !(mayNameAccountOf(access, repository) && (await this.#blobs.mountWithinAccount(repository, digest)))) return false;
    sendEmpty(res, 201, blobHeaders(repository, digest));
    return true;
  }

  async #append(upload: Upload, req: Exchange["req"]): Promise<Upload> {
    const before = upload.size;
    const expected = announcedLength(upload, req);
    const after = await this.#uploads.append(upload, before, this.#blobs.arriving(upload.repository, before, bodyOf(req)));
    if (expected === undefined || after.size - before === expected) return after;
    await this.#uploads.discard(after);
    throw new RegistryError("SIZE_INVALID", `The piece has ${after.size - before} bytes, not the ${expected} of its Content-Range.`, {
      hint: "Begin the upload again.",
    });
  }

  async #finish(upload: Upload, digest: string, { res }: Exchange): Promise<void> {
    await this.#uploads.finish(upload, digest, (path, size) => this.#blobs.add(upload.repository, digest, path, size));
    sendEmpty(res, 201, blobHeaders(upload.repository, digest));
  }

  /** A full disk or quota has ended the upload already. */
  async #discardIfThere(upload: Upload): Promise<void> {
    try {
      await this.#uploads.discard(upload);
    } catch (error) {
      if (!(error instanceof RegistryError && error.oci === "BLOB_UPLOAD_UNKNOWN")) throw error;
    }
  }
}

/**
 * How many bytes the request says it brings; `undefined` when it does not say where they belong.
 * Errors: 416 when they do not continue the upload; `SIZE_INVALID` when the request contradicts itself.
 */
function announcedLength(upload: Upload, req: Exchange["req"]): number | undefined {
  const header = req.headers["content-range"];
  if (header === undefined) return undefined;
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header);
  const start = Number(match?.[1]);
  if (match === null || start !== upload.size) {
    throw new RegistryError("BLOB_UPLOAD_INVALID", `The upload has ${upload.size} bytes; a piece at ${header} does not continue it.`, {
      status: 416,
      hint: "Go on from the end of the range in the Range header of this answer.",
      headers: progressHeaders(upload),
    });
  }
  const length = Number(match[2]) - start + 1;
  const declared = contentLength(req);
  if (declared === undefined || declared === length) return length;
  throw new RegistryError("SIZE_INVALID", `The Content-Range ${header} does not fit the Content-Length ${declared}.`, {
    hint: "The end of a Content-Range is the position of the last byte.",
  });
}

function progressHeaders(upload: Upload): Record<string, string> {
  return {
    location: `/v2/${upload.repository}/blobs/uploads/${upload.id}`,
    // The form cannot say "nothing"; every registry says 0-0.
    range: `0-${Math.max(0, upload.size - 1)}`,
    "docker-upload-uuid": upload.id,
  };
}

function blobHeaders(repository: string, digest: string): Record<string, string> {
  return { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest };
}
