import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { dirname } from "node:path";
import { allows, type Bucket } from "@longshore/contract";
import type { ApiTokens } from "@longshore/control";
import { bindingHandler, isPreflight, R2Storage, type S3Access, s3Handler } from "@longshore/r2";
import { STORE_HEADER } from "@longshore/workers";
import { log } from "./log.js";
import { type R2Sockets, s3Host } from "./r2-places.js";

/** What the API's own paths begin with. It lets no pages in, so it has no answer to their preflights. */
const API = "/client/v4/";
/** A connection on which nothing comes or goes for so long is ended. */
const IDLE_MS = 10 * 60_000;
/** Longer than clients keep a connection that they do not use, so that none is ended just as it is used again: workerd would tell the Worker. */
const KEEP_ALIVE_MS = 75_000;

export interface R2Options {
  readonly bucket: Bucket;
  readonly tokens: ApiTokens;
  readonly accountId: string;
  /** Applications' domain: below it, a host name without an application is a bucket's for S3 clients. */
  readonly domain: string;
  readonly sockets: R2Sockets;
}

/** R2, as the server serves it. Disposing ends its connections. */
export interface R2Service extends AsyncDisposable {
  readonly storage: R2Storage;
  /** Takes over a request of an S3 client; false when it is none, and nothing has been done. */
  takeS3(...exchange: Parameters<RequestListener>): boolean;
}

/** Opens R2 over the bucket and serves it on unix sockets: to Workers' bindings, and to the S3 clients in containers. */
export async function openR2({ bucket, tokens, accountId, domain, sockets }: R2Options): Promise<R2Service> {
  const storage = new R2Storage({ bucket, log });
  const s3 = s3Handler({ storage, access: (id) => accessOf(tokens, id), hosts: [s3Host(accountId), "localhost", domain] });
  const servers = [
    await serveOn(
      sockets.bindings,
      bindingHandler(storage, (request) => bucketOf(request.headers[STORE_HEADER.toLowerCase()])),
    ),
    await serveOn(sockets.s3, s3),
  ];
  return {
    storage,
    takeS3(request, response) {
      if (!isSignedByAws(request) && !(isPreflight(request) && !request.url?.startsWith(API))) return false;
      s3(request, response);
      return true;
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      storage[Symbol.dispose]();
    },
  };
}

/** S3 clients' keys are the API's tokens, as with R2: the id, and the SHA-256 of the token. */
async function accessOf(tokens: ApiTokens, accessKeyId: string): Promise<S3Access | undefined> {
  const known = await tokens.credentials(accessKeyId);
  if (known === undefined) return undefined;
  const { scopes } = known.identity;
  return { secretAccessKey: known.valueSha256, read: allows(scopes, "r2", "read"), write: allows(scopes, "r2", "write") };
}

function isSignedByAws({ headers, url = "" }: IncomingMessage): boolean {
  return /^AWS4-HMAC-SHA256\s/.test(headers.authorization ?? "") || /[?&]X-Amz-Signature=/.test(url);
}

/** workerd sets the header, and sets it anew whatever a Worker has said. */
function bucketOf(header: string | string[] | undefined): string {
  return typeof header === "string" && header.startsWith("r2/") ? header.slice("r2/".length) : "";
}

/** Listens on a unix socket that this user and root can open. */
async function serveOn(path: string, handler: RequestListener): Promise<Server> {
  const server = createServer(handler);
  // A body takes as long as it takes.
  server.requestTimeout = 0;
  server.timeout = IDLE_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // A killed server leaves its socket behind.
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return server;
}
