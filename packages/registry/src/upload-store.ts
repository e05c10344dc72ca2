import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, toLongshoreError } from "@longshore/contract";
import { type Algorithm, algorithmOf, finished } from "./digests.js";
import { RegistryError } from "./errors.js";

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A blob that is being sent. `size` is how many of its bytes are here. */
export interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly size: number;
}

interface Session extends Upload {
  size: number;
  /** Which digest is expected in the end; a guess where the client did not say. */
  algorithm: Algorithm;
  /** Of the first `size` bytes; `undefined` after a restart, until it is needed. */
  hash: Hash | undefined;
  /** One request at a time may write. */
  busy: boolean;
}

/**
 * Unfinished uploads on the local disk: a directory each, with the bytes so far and the repository's name. They survive a restart of the registry,
 * and expire when nobody has written to them for a while. Bytes are hashed as they arrive.
 */
export class UploadStore {
  readonly #directory: string;
  readonly #sessions = new Map<string, Session>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Begins an upload. Its bytes are hashed with `algorithm` as they come; another one in the end costs reading them again. */
  async create(repository: string, algorithm: Algorithm): Promise<Upload> {
    const session: Session = { id: randomUUID(), repository, size: 0, algorithm, hash: createHash(algorithm), busy: false };
    try {
      await mkdir(this.#path(session), { recursive: true, mode: 0o700 });
      await writeFile(this.#path(session, "data"), "", { mode: 0o600 });
      await writeFile(this.#path(session, "repository"), repository, { mode: 0o600 });
    } catch (error) {
      await rm(this.#path(session), { recursive: true, force: true });
      throw toLongshoreError(error, "Beginning an upload");
    }
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Errors: `BLOB_UPLOAD_UNKNOWN` when there is none, or it belongs to another repository. */
  async find(repository: string, id: string): Promise<Upload> {
    return this.#session(repository, id);
  }

  /**
   * Adds bytes behind the `from` that are here. When the sender goes away, what has arrived is kept.
   * Errors: `NO_SPACE` and `DENIED`, which end the upload and free its space; `BLOB_UPLOAD_INVALID` while another request
   * writes, or when one has written since `from` was looked at.
   */
  async append(upload: Upload, from: number, bytes: AsyncIterable<Uint8Array>): Promise<Upload> {
    return this.#exclusively(upload, async (session) => {
      if (session.size !== from) throw writtenByAnother(session);
      const hash = await this.#hashOf(session);
      const handle = await open(this.#path(session, "data"), "r+");
      try {
        for await (const chunk of bytes) {
          const writing = this.#write(session, handle, chunk);
          hash.update(chunk);
          await writing;
          session.size += chunk.length;
        }
      } catch (error) {
        // No room for the account; a disk that is full has ended the upload already.
        if (error instanceof RegistryError) await this.#remove(session);
        throw error;
      } finally {
        await handle.close();
      }
      return session;
    });
  }

  /**
   * Ends an upload: checks the digest, then hands the file to `keep`, which moves it away. Nothing is left afterwards, however it went.
   * Errors: `DIGEST_INVALID` when the bytes are others; those of `keep`.
   */
  async finish(upload: Upload, digest: string, keep: (path: string, size: number) => Promise<void>): Promise<void> {
    await this.#exclusively(upload, async (session) => {
      try {
        if (session.algorithm !== algorithmOf(digest)) {
          session.algorithm = algorithmOf(digest);
          session.hash = undefined;
        }
        const actual = finished(await this.#hashOf(session), session.algorithm);
        if (actual !== digest) {
          throw new RegistryError("DIGEST_INVALID", `The ${session.size} bytes sent have the digest ${actual}, not ${digest}.`, {
            hint: "Send the blob again.",
            details: { actual, expected: digest },
          });
        }
        await keep(this.#path(session, "data"), session.size);
      } finally {
        await this.#remove(session);
      }
    });
  }

  /** Ends an upload and forgets its bytes. */
  async discard(upload: Upload): Promise<void> {
    await this.#exclusively(upload, (session) => this.#remove(session));
  }

  /** Discards uploads that nobody has written to for `maxAgeMs`; how many. */
  async sweep(maxAgeMs: number): Promise<number> {
    let swept = 0;
    for (const id of await namesIn(this.#directory)) {
      if (!ID.test(id) || this.#sessions.get(id)?.busy === true) continue;
      // Without data it is being created at this moment, or was when the process died.
      const written = (await modifiedAt(join(this.#directory, id, "data"))) ?? (await modifiedAt(join(this.#directory, id)));
      if (written !== undefined && Date.now() - written < maxAgeMs) continue;
      this.#sessions.delete(id);
      await rm(join(this.#directory, id), { recursive: true, force: true });
      swept++;
    }
    return swept;
  }

  async #session(repository: string, id: string): Promise<Session> {
    const session = this.#sessions.get(id) ?? (ID.test(id) ? await this.#restore(id) : undefined);
    if (session?.repository === repository) return session;
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", `There is no upload ${JSON.stringify(id)} to the repository ${repository}.`, {
      hint: "It was finished, cancelled or has expired: begin the upload again.",
    });
  }

  /** An upload that was begun before this process. */
  async #restore(id: string): Promise<Session | undefined> {
    try {
      const repository = await readFile(join(this.#directory, id, "repository"), "utf8");
      const { size } = await stat(join(this.#directory, id, "data"));
      const existing = this.#sessions.get(id);
      if (existing !== undefined) return existing;
      const session: Session = { id, repository, size, algorithm: "sha256", hash: undefined, busy: false };
      this.#sessions.set(id, session);
      return session;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw toLongshoreError(error, `Looking for the upload ${id}`);
    }
  }

  async #exclusively<T>(upload: Upload, action: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#session(upload.repository, upload.id);
    if (session.busy) throw writtenByAnother(session);
    session.busy = true;
    try {
      return await action(session);
    } finally {
      session.busy = false;
    }
  }

  async #hashOf(session: Session): Promise<Hash> {
    if (session.hash !== undefined) return session.hash;
    const hash = createHash(session.algorithm);
    if (session.size > 0) {
      for await (const chunk of createReadStream(this.#path(session, "data"), { end: session.size - 1 })) hash.update(chunk);
    }
    session.hash = hash;
    return hash;
  }

  /** A disk that refuses bytes ends the upload: keeping the rest would keep the disk full. */
  async #write(session: Session, handle: FileHandle, chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length; ) {
        done += (await handle.write(chunk, done, chunk.length - done, session.size + done)).bytesWritten;
      }
    } catch (error) {
      await this.#remove(session);
      throw toLongshoreError(error, `Storing an upload to ${session.repository}`);
    }
  }

  async #remove(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    await rm(this.#path(session), { recursive: true, force: true });
  }

  #path(session: Session, file = ""): string {
    return join(this.#directory, session.id, file);
  }
}

function writtenByAnother({ id }: Upload): RegistryError {
  return new RegistryError("BLOB_UPLOAD_INVALID", `Another request is writing to the upload ${id}.`, {
    status: 409,
    hint: "Wait for it to end, then ask for the upload's status.",
  });
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

async function modifiedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
