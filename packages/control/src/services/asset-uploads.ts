import { text } from "node:stream/consumers";
import { type AssetFile, type Bucket, LongshoreError, type WorkerAssets } from "@longshore/contract";
import { assertManifest, buckets, fileList, type Manifest } from "../model/asset-manifest.js";
import type { UploadedAssets } from "../model/upload-metadata.js";
import type { Tokens } from "../state/tokens.js";

/** How long an upload may take, and then the deploy, in milliseconds. */
const LIFETIME_MS = 60 * 60_000;

export interface AssetSession {
  readonly jwt: string;
  /** Hashes of the files to upload, request by request. None: all is there, and `jwt` says so. */
  readonly buckets: readonly (readonly string[])[];
}

/**
 * Takes static files in. Nothing of a session is kept but what was uploaded: its tokens carry the rest, so an upload goes on after a restart.
 * ```
 * control/scripts/<script>/asset-lists/<id>   JSON of AssetFile[]; immutable
 * control/scripts/<script>/assets/<hash>      a file's bytes; immutable
 * ```
 */
export class AssetUploads {
  readonly #bucket: Bucket;
  readonly #tokens: Tokens;

  constructor(bucket: Bucket, tokens: Tokens) {
    this.#bucket = bucket;
    this.#tokens = tokens;
  }

  /** Errors: `INVALID_INPUT`, `TOO_LARGE`. */
  async begin(script: string, manifest: Manifest): Promise<AssetSession> {
    assertManifest(manifest);
    const { id, files } = fileList(manifest, (hash) => `${filesPrefix(script)}${hash}`);
    await this.#bucket.put(listKey(script, id), JSON.stringify(files));
    const groups = buckets(manifest, await this.#present(script));
    return { jwt: this.#sign(groups.length === 0 ? "complete" : "upload", script, id), buckets: groups };
  }

  /** Errors: `UNAUTHORIZED` when this is no session's token, or its hour is over. */
  assertOpen(token: string): void {
    this.#verify(token, "upload");
  }

  /**
   * Keeps files of a session, by hash. Resolves to the token that a deploy needs once none is missing.
   * Errors: `UNAUTHORIZED` for the token, `INVALID_INPUT` for a file that is not of the session or not of the size it was said to have.
   */
  async add(token: string, uploaded: Iterable<readonly [hash: string, bytes: Uint8Array]>): Promise<string | undefined> {
    const { script, id } = this.#verify(token, "upload");
    const files = await this.#list(script, id);
    const sizes = new Map(files.map(({ key, size }) => [key, size]));
    for (const [hash, bytes] of uploaded) {
      const key = `${filesPrefix(script)}${hash}`;
      const size = sizes.get(key);
      if (size === undefined) throw new LongshoreError("INVALID_INPUT", `No file of this upload has the hash ${JSON.stringify(hash)}.`);
      if (size !== bytes.byteLength) {
        throw new LongshoreError(
          "INVALID_INPUT",
          `The file with the hash ${hash} has ${bytes.byteLength} bytes, and ${size} were announced.`,
        );
      }
      await this.#bucket.put(key, bytes);
    }
    const present = await this.#present(script);
    const complete = files.every(({ key }) => present.has(key.slice(filesPrefix(script).length)));
    return complete ? this.#sign("complete", script, id) : undefined;
  }

  /** The files of a new version. Without a token they stay what they are, if there are any. Errors: `UNAUTHORIZED`, `INVALID_INPUT`. */
  resolve(script: string, { jwt, config }: UploadedAssets, previous: WorkerAssets | undefined): WorkerAssets | undefined {
    if (jwt === undefined) return previous === undefined || config === undefined ? previous : { ...previous, config };
    const session = this.#verify(jwt, "complete");
    if (session.script !== script)
      throw new LongshoreError("INVALID_INPUT", `The static files were uploaded for the Worker "${session.script}".`);
    return { id: session.id, listKey: listKey(script, session.id), config: config ?? {} };
  }

  async #present(script: string): Promise<Set<string>> {
    const hashes = new Set<string>();
    const prefix = filesPrefix(script);
    for await (const { key } of this.#bucket.list(prefix)) hashes.add(key.slice(prefix.length));
    return hashes;
  }

  async #list(script: string, id: string): Promise<AssetFile[]> {
    const object = await this.#bucket.get(listKey(script, id));
    if (object !== undefined) return JSON.parse(await text(object.body)) as AssetFile[];
    throw new LongshoreError("NOT_FOUND", `The Worker "${script}" was deleted while its static files were uploaded.`, {
      hint: "Deploy again.",
    });
  }

  #sign(phase: "upload" | "complete", script: string, id: string): string {
    return this.#tokens.sign({ phase, script, id }, LIFETIME_MS);
  }

  #verify(token: string, phase: "upload" | "complete"): { script: string; id: string } {
    const claims = this.#tokens.verify(token);
    if (claims.phase === phase) return { script: String(claims.script), id: String(claims.id) };
    throw new LongshoreError("INVALID_INPUT", "Static files are missing: their upload was not finished.", { hint: "Deploy again." });
  }
}

function listKey(script: string, id: string): string {
  return `control/scripts/${script}/asset-lists/${id}`;
}

function filesPrefix(script: string): string {
  return `control/scripts/${script}/assets/`;
}
