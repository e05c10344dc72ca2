import { buffer } from "node:stream/consumers";
import { type Bucket, blobKey, LongshoreError, type ManifestLink, manifestKey, tagKey } from "@longshore/contract";
import type { ImageSource } from "./types.js";

/** Reads images straight from the registry's store: on the machine that holds it, a pushed image needs no pull. */
export class BucketImageSource implements ImageSource {
  readonly #bucket: Pick<Bucket, "get">;

  constructor(bucket: Pick<Bucket, "get">) {
    this.#bucket = bucket;
  }

  async manifest(reference: string): Promise<{ digest: string; bytes: Buffer } | undefined> {
    const { repository, digest, tag } = parseReference(reference);
    const link = await this.#link(digest === undefined ? tagKey(repository, tag) : manifestKey(repository, digest));
    if (link === undefined) return undefined;
    const blob = await this.#bucket.get(blobKey(link.digest));
    return blob === undefined ? undefined : { digest: link.digest, bytes: await buffer(blob.body) };
  }

  async blob(digest: string): Promise<NodeJS.ReadableStream | undefined> {
    return (await this.#bucket.get(blobKey(digest)))?.body;
  }

  async #link(key: string): Promise<ManifestLink | undefined> {
    const object = await this.#bucket.get(key);
    return object === undefined ? undefined : (JSON.parse((await buffer(object.body)).toString("utf8")) as ManifestLink);
  }
}

/** `<repository>@sha256:…` or `<repository>[:<tag>]`, without a host. Errors: `INVALID_INPUT`. */
export function parseReference(reference: string): { repository: string; digest?: string; tag: string } {
  const match = /^([a-z0-9._/-]+)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(reference);
  const repository = match?.[1];
  if (repository === undefined || repository.split("/").some((part) => part === "" || part === "." || part === "..")) {
    throw new LongshoreError("INVALID_INPUT", `"${reference}" is not an image of this installation's registry.`, {
      hint: "Write it as <name>:<tag> or <name>@sha256:<digest>.",
    });
  }
  const digest = match?.[3];
  return { repository, tag: match?.[2] ?? "latest", ...(digest === undefined ? {} : { digest }) };
}
