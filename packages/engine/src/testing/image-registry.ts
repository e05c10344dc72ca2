import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { MemoryImageSource } from "./image-source.js";

/** A registry over plain HTTP that has the images of a {@link MemoryImageSource} by the names they have there. */
export class ImageRegistry implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async serve(images: MemoryImageSource): Promise<ImageRegistry> {
    const server = createServer((request, response) => {
      const [, repository = "", kind, version = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(request.url ?? "") ?? [];
      const separator = version.startsWith("sha256:") ? "@" : ":";
      const content =
        kind === "manifests"
          ? images.manifest(`${repository}${separator}${version}`).then((found) => found?.bytes)
          : images.blob(version).then((found) => (found === undefined ? undefined : buffer(found)));
      content.then(
        (bytes) =>
          bytes === undefined ? response.writeHead(404).end() : response.writeHead(200, { "content-length": bytes.length }).end(bytes),
        (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ImageRegistry(server);
  }

  /** `host:port`, as it stands before an image's name. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
