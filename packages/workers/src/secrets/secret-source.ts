import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { ReadAccountSecret } from "@longshore/contract";

/** Tells Workers' processes the secrets that they are bound to: `GET /<store>/<name>` on a socket that nobody else reaches. */
export class SecretSource {
  readonly #server: Server;

  private constructor(read: ReadAccountSecret, log: (message: string) => void) {
    this.#server = createServer((request, response) => {
      const [, store = "", name = ""] = (request.url ?? "").split("/");
      const value = async () => await read(store, decodeURIComponent(name));
      value().then(
        (found) => response.writeHead(found === undefined ? 404 : 200).end(found),
        (error: unknown) => {
          log(`A secret of the store ${store} could not be read for a Worker: ${String(error)}`);
          response.writeHead(500).end();
        },
      );
    });
  }

  /** Listens at `path`, in place of an earlier server. */
  static async open(path: string, read: ReadAccountSecret, log: (message: string) => void): Promise<SecretSource> {
    const source = new SecretSource(read, log);
    rmSync(path, { force: true });
    source.#server.listen(path);
    await once(source.#server, "listening");
    return source;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
