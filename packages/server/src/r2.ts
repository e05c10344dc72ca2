import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { bindingHandler, type R2Storage } from "@longshore/r2";
import { STORE_HEADER } from "@longshore/workers";

/** Where R2's sockets are: beside the scripts' directories, since no script's name begins with a dot. */
export function r2Sockets(runDirectory: string): { readonly bindings: string } {
  return { bindings: join(runDirectory, "w", ".r2", "bindings.sock") };
}

/** Serves the R2 bindings of all Workers on a unix socket, which applications' workerds connect to. */
export async function serveBindings(storage: R2Storage, path: string): Promise<AsyncDisposable> {
  const server = createServer(bindingHandler(storage, (request) => bucketOf(request.headers[STORE_HEADER.toLowerCase()])));
  // Uploads take as long as they take; a connection on which nothing comes any more is ended.
  server.requestTimeout = 0;
  server.timeout = IDLE_MS;
  // A killed server leaves its socket behind.
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const IDLE_MS = 10 * 60_000;

/** workerd sets the header, and sets it anew whatever a Worker has said. */
function bucketOf(header: string | string[] | undefined): string {
  return typeof header === "string" && header.startsWith("r2/") ? header.slice("r2/".length) : "";
}
