import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rename, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { isErrno } from "@longshore/contract";

/** What a push has left in the directory, beside the blobs: the manifest's own digest and type. */
export interface Pushed {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
}

export interface Sink extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  /** The image that was pushed, once it was. */
  readonly pushed: Pushed | undefined;
}

const BLOB = /^\/v2\/image\/blobs\/(sha256:[0-9a-f]{64})$/;
const UPLOAD = /^\/v2\/image\/blobs\/uploads\/([0-9]+)$/;
const MANIFEST = /^\/v2\/image\/manifests\/[\w.:-]+$/;

/**
 * A registry for one push, on loopback: buildah sends a registry only the blobs that it does not have, and this one has what `sizeElsewhere` knows
 * the size of, too. What comes is written into `directory`, a file for each blob, named by its digest's hex digits.
 */
export async function openSink(directory: string, sizeElsewhere: (digest: string) => Promise<number | undefined>): Promise<Sink> {
  let pushed: Pushed | undefined;
  let uploads = 0;
  const file = (digest: string) => join(directory, digest.slice("sha256:".length));
  const upload = (number: string) => join(directory, `upload-${number}`);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://sink");
    const [, digest = ""] = BLOB.exec(url.pathname) ?? [];
    const [, number = ""] = UPLOAD.exec(url.pathname) ?? [];
    const { method } = request;
    if (url.pathname === "/v2/") response.writeHead(200);
    else if (method === "HEAD" && digest !== "") {
      const size = (await sizeOf(file(digest))) ?? (await sizeElsewhere(digest));
      response.writeHead(size === undefined ? 404 : 200, { "content-length": size ?? 0 });
    } else if (method === "POST" && url.pathname === "/v2/image/blobs/uploads/") {
      const next = String(++uploads);
      await writeFile(upload(next), "", { mode: 0o600 });
      response.writeHead(202, { location: `/v2/image/blobs/uploads/${next}` });
    } else if (method === "PATCH" && number !== "") {
      await append(request, upload(number));
      response.writeHead(202, { location: url.pathname });
    } else if (method === "PUT" && number !== "") {
      await append(request, upload(number));
      const given = url.searchParams.get("digest") ?? "";
      if (!/^sha256:[0-9a-f]{64}$/.test(given)) response.writeHead(400);
      else {
        await rename(upload(number), file(given));
        response.writeHead(201, { "docker-content-digest": given });
      }
    } else if (method === "PUT" && MANIFEST.test(url.pathname)) {
      pushed = await keepManifest(request, file);
      response.writeHead(201, { "docker-content-digest": pushed.digest });
    } else response.writeHead(404);
  };
  const server = createServer((request, response) => {
    answer(request, response)
      .catch(() => void response.writeHead(500))
      .finally(() => {
        request.resume();
        response.end();
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get pushed() {
      return pushed;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function append(request: IncomingMessage, file: string): Promise<void> {
  await pipeline(request, createWriteStream(file, { flags: "a", mode: 0o600 }));
}

async function keepManifest(request: IncomingMessage, file: (digest: string) => string): Promise<Pushed> {
  const bytes = await buffer(request);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  await writeFile(file(digest), bytes, { mode: 0o600 });
  return { digest, mediaType: request.headers["content-type"] ?? "", size: bytes.length };
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
