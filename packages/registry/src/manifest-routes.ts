import type { Admission } from "./admission.js";
import { algorithmOf, checkedAlgorithm, digestOf } from "./digests.js";
import { RegistryError } from "./errors.js";
import { type Exchange, page, readBody, sendEmpty, sendJson } from "./http.js";
import { parseManifest } from "./manifest.js";
import type { ManifestStore, Referrer } from "./manifest-store.js";
import { checkedTag, type Reference } from "./routes.js";

/** As the specification advises. */
const LARGEST_MANIFEST = 4 * 1024 * 1024;
/** Clients read a list of referrers as they do a manifest. */
const LARGEST_LIST = LARGEST_MANIFEST - 1024;

interface ManifestTarget {
  readonly repository: string;
  readonly reference: Reference;
}

/** What can be done with manifests and their tags. */
export class ManifestRoutes {
  readonly #manifests: ManifestStore;
  readonly #admission: Admission;

  constructor(manifests: ManifestStore, admission: Admission) {
    this.#manifests = manifests;
    this.#admission = admission;
  }

  /** `HEAD` and `GET …/manifests/<tag or digest>`. */
  async serve({ repository, reference }: ManifestTarget, { res }: Exchange): Promise<void> {
    const stored = await this.#manifests.read(repository, reference);
    if (stored === undefined) throw unknownManifest(repository, reference);
    const { digest, mediaType } = stored.link;
    const headers = {
      "content-type": mediaType,
      "content-length": stored.bytes.length,
      "docker-content-digest": digest,
      etag: `"${digest}"`,
    };
    res.writeHead(200, headers).end(stored.bytes);
  }

  /** `PUT …/manifests/<tag or digest>`, with more tags as `?tag=`; returns the digest. */
  async put({ repository, reference }: ManifestTarget, { req, res, query }: Exchange): Promise<string> {
    const named = query.getAll("tag").map(checkedTag);
    const tags = [...new Set([...(reference.tag === undefined ? [] : [reference.tag]), ...named])];
    const bytes = await readBody(req, LARGEST_MANIFEST, "manifest");
    const manifest = parseManifest(bytes, req.headers["content-type"]);
    const digest = digestOf(bytes, reference.digest === undefined ? checkedAlgorithm(null) : algorithmOf(reference.digest));
    if (reference.digest !== undefined && reference.digest !== digest) {
      throw new RegistryError("DIGEST_INVALID", `The manifest sent has the digest ${digest}, not ${reference.digest}.`, {
        hint: "Push the image again.",
        details: { actual: digest, expected: reference.digest },
      });
    }
    const link = { digest, mediaType: manifest.mediaType, size: bytes.length };
    await this.#manifests.undisturbed(repository, async () => {
      await this.#admission.checkReferences(repository, manifest);
      const [tag] = tags;
      if (tag !== undefined) await this.#admission.checkPlatform(repository, tag, manifest);
      await this.#manifests.put(repository, tags, { link, manifest, bytes });
    });
    sendEmpty(res, 201, {
      location: `/v2/${repository}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...(manifest.subject === undefined ? {} : { "oci-subject": manifest.subject.digest }),
      ...(named.length === 0 ? {} : { "oci-tag": named.join(", ") }),
    });
    return digest;
  }

  /** `DELETE …/manifests/<tag or digest>`: a tag alone, or a manifest with all its tags. The space comes back when garbage is collected. */
  async delete({ repository, reference }: ManifestTarget, { res }: Exchange): Promise<void> {
    const deleted = await this.#manifests.undisturbed(repository, () =>
      reference.tag === undefined
        ? this.#manifests.deleteManifest(repository, reference.digest)
        : this.#manifests.deleteTag(repository, reference.tag),
    );
    if (!deleted) throw unknownManifest(repository, reference);
    sendEmpty(res, 202);
  }

  /** `GET …/tags/list`. */
  async tags(repository: string, { res, query }: Exchange): Promise<void> {
    const tags = await this.#manifests.tags(repository);
    if (tags.length === 0 && !(await this.#manifests.hasAny(repository))) {
      throw new RegistryError("NAME_UNKNOWN", `There is no repository ${repository}.`, { hint: "Push an image to it, or check the name." });
    }
    const { names, headers } = page(tags, `/v2/${repository}/tags/list`, query);
    sendJson(res, 200, { name: repository, tags: names }, headers);
  }

  /** `GET …/referrers/<digest>`: an index of the manifests that have this one as their subject, in pages that a client takes. */
  async referrers({ repository, digest }: { repository: string; digest: string }, { res, query }: Exchange): Promise<void> {
    const wanted = query.get("artifactType");
    const last = query.get("last") ?? "";
    const all = await this.#manifests.referrers(repository, digest);
    const rest = all.filter((referrer) => referrer.digest > last && (wanted === null || referrer.artifactType === wanted));
    const manifests = fitting(rest, LARGEST_LIST);
    const filter = wanted === null ? "" : `&artifactType=${encodeURIComponent(wanted)}`;
    const next = `/v2/${repository}/referrers/${digest}?last=${encodeURIComponent(manifests.at(-1)?.digest ?? "")}${filter}`;
    sendJson(
      res,
      200,
      { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests },
      {
        "content-type": "application/vnd.oci.image.index.v1+json",
        ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }),
        ...(manifests.length === rest.length ? {} : { link: `<${next}>; rel="next"` }),
      },
    );
  }
}

/** As many of the first descriptors as fit into so many bytes, and at least one. */
function fitting(referrers: readonly Referrer[], limit: number): readonly Referrer[] {
  let bytes = 0;
  const beyond = referrers.findIndex((referrer) => {
    bytes += Buffer.byteLength(JSON.stringify(referrer)) + 1;
    return bytes > limit;
  });
  return beyond < 0 ? referrers : referrers.slice(0, Math.max(1, beyond));
}

function unknownManifest(repository: string, reference: Reference): RegistryError {
  const name = reference.tag === undefined ? `${repository}@${reference.digest}` : `${repository}:${reference.tag}`;
  return new RegistryError("MANIFEST_UNKNOWN", `There is no image ${name} in this registry.`, {
    hint: "Push it first, or check the name and the tag.",
    details: { name: repository, reference: reference.tag ?? reference.digest },
  });
}
