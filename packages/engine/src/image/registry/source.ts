import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { ImageSource, ManifestOptions } from "../types.js";
import { BlobCache } from "./blob-cache.js";
import { RegistryClient, type Response } from "./client.js";
import { namesRegistry, parseRemote, type RemoteReference } from "./reference.js";
import type { Registries, RegistryLookup } from "./settings.js";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const CACHE_BYTES = 10e9;

export interface RegistrySourceOptions {
  /** Where blobs are kept. */
  readonly directory: string;
  readonly registries: Registries | RegistryLookup;
  /** How much may stay there over a restart; 10 GB unless it is given. */
  readonly cacheBytes?: number;
}

/**
 * Images of other registries, `<registry>/<repository>[:<tag>][@sha256:…]`. Everything is checked against its digest and kept on disk, so that an
 * image which was pulled once needs no network again; a registry that is away answers with what it said about a tag last.
 */
export class RegistryImageSource implements ImageSource {
  readonly #blobs: BlobCache;
  readonly #tags: string;
  readonly #registries: RegistryLookup;
  /** With the settings that each was made with. */
  readonly #clients = new Map<string, { readonly client: RegistryClient; readonly settings: string }>();

  private constructor(blobs: BlobCache, tags: string, registries: RegistryLookup) {
    this.#blobs = blobs;
    this.#tags = tags;
    this.#registries = registries;
  }

  static async open({ directory, registries, cacheBytes = CACHE_BYTES }: RegistrySourceOptions): Promise<RegistryImageSource> {
    const tags = join(directory, "tags");
    await mkdir(tags, { recursive: true, mode: 0o700 });
    const lookup: RegistryLookup = typeof registries === "function" ? registries : async (host) => registries[host] ?? {};
    return new RegistryImageSource(await BlobCache.open(join(directory, "blobs"), cacheBytes), tags, lookup);
  }

  /** Errors: `INVALID_INPUT`, `UNAUTHORIZED`, `UNAVAILABLE`. */
  async manifest(reference: string, { fresh = false }: ManifestOptions = {}): Promise<{ digest: string; bytes: Buffer } | undefined> {
    const remote = parseRemote(reference);
    if (remote.digest !== undefined) return await this.#kept(remote, remote.digest);
    let bytes: Buffer | undefined;
    try {
      bytes = await this.#ask(remote, async (client) => {
        const response = await client.get(remote.repository, `manifests/${remote.version}`, { accept: MANIFESTS });
        return response.statusCode === 404 ? await nothing(response) : await document(response, reference);
      });
    } catch (error) {
      const last = !fresh && error instanceof LongshoreError && error.code === "UNAVAILABLE" ? await this.#lastDigest(remote) : undefined;
      if (last === undefined) throw error;
      return await this.#kept(remote, last);
    }
    if (bytes === undefined) return undefined;
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await this.#blobs.keep(digest, bytes);
    this.#remember(remote, digest);
    return { digest, bytes };
  }

  /** Errors: `INVALID_INPUT` (wrong digest, or more than `size` bytes), `UNAUTHORIZED`, `UNAVAILABLE`. */
  async blob(digest: string, reference: string, size = Number.MAX_SAFE_INTEGER): Promise<NodeJS.ReadableStream | undefined> {
    const remote = parseRemote(reference);
    return await this.#blobs.read(digest, size, (from) =>
      this.#fetch(remote, `blobs/${digest}`, from, {}).then(
        (found) => found ?? this.#fetch(remote, `manifests/${digest}`, from, { accept: MANIFESTS }),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map(({ client }) => client[Symbol.asyncDispose]()));
  }

  /** A manifest by digest: on disk from the first time on. */
  async #kept(remote: RemoteReference, digest: string): Promise<{ digest: string; bytes: Buffer } | undefined> {
    const stream = await this.#blobs.read(digest, MAX_MANIFEST_BYTES, (from) =>
      this.#fetch(remote, `manifests/${digest}`, from, { accept: MANIFESTS }),
    );
    if (stream === undefined) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return { digest, bytes: Buffer.concat(chunks) };
  }

  async #fetch(remote: RemoteReference, path: string, from: number, headers: Record<string, string>): Promise<Response | undefined> {
    return await this.#ask(remote, async (client) => {
      const response = await client.get(remote.repository, path, from === 0 ? headers : { ...headers, range: `bytes=${from}-` });
      return response.statusCode === 404 ? await nothing(response) : response;
    });
  }

  /** Asks the mirror first, if there is one; for what it does not have, or when it is away, the registry itself. */
  async #ask<T>({ host }: RemoteReference, work: (client: RegistryClient) => Promise<T | undefined>): Promise<T | undefined> {
    const { mirror } = await this.#registries(host);
    if (mirror === undefined) return await work(await this.#client(host));
    let failure: LongshoreError | undefined;
    try {
      const found = await work(await this.#client(mirror));
      if (found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof LongshoreError)) throw error;
      failure = error;
    }
    try {
      return await work(await this.#client(host));
    } catch (error) {
      if (failure === undefined || !(error instanceof LongshoreError)) throw error;
      // The registry has the last word, but the mirror may be what is to be repaired.
      throw new LongshoreError(error.code, `${error.message} Its mirror said before: ${failure.message}`, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  async #client(host: string): Promise<RegistryClient> {
    const said = await this.#registries(host);
    const settings = JSON.stringify(said);
    const known = this.#clients.get(host);
    if (known?.settings === settings) return known.client;
    // One that it takes the place of finishes what is under way; its idle connections close by themselves.
    const client = new RegistryClient(host, said);
    this.#clients.set(host, { client, settings });
    return client;
  }

  /** At once, not awaited: a tag may be asked for twice at the same time. */
  #remember(remote: RemoteReference, digest: string): void {
    const file = this.#tagFile(remote);
    writeFileSync(`${file}.partial`, digest);
    renameSync(`${file}.partial`, file);
  }

  async #lastDigest(remote: RemoteReference): Promise<string | undefined> {
    try {
      return await readFile(this.#tagFile(remote), "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  #tagFile({ host, repository, version }: RemoteReference): string {
    return join(this.#tags, createHash("sha256").update(`${host}/${repository}:${version}`).digest("hex"));
  }
}

/** Images of the installation's own registry, and of every other one by its name. */
export function imagesFrom(own: ImageSource, others: ImageSource): ImageSource {
  const sourceOf = (reference: string) => (namesRegistry(reference) ? others : own);
  return {
    manifest: (reference, options) => sourceOf(reference).manifest(reference, options),
    blob: (digest, reference, size) => sourceOf(reference).blob(digest, reference, size),
  };
}

async function nothing(response: Response): Promise<undefined> {
  await response.body.dump();
  return undefined;
}

async function document(response: Response, reference: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) throw new LongshoreError("TOO_LARGE", `The manifest of ${reference} is too large.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
