import { createHash } from "node:crypto";
import { join } from "node:path";
import { DirectoryBucket } from "@longshore/bucket";
import { createRegistry, listenTlsAndPlain } from "@longshore/registry";
import { createCertificate } from "../installation/certificate.js";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** A real registry, with TLS and without on one port; who may pull is the test's, and `owner` with `owner` may do everything. */
export class TestRegistry implements AsyncDisposable {
  readonly host: string;
  readonly #close: () => Promise<void>;
  readonly #configs = new Map<string, { digest: string }>();

  private constructor(port: number, close: () => Promise<void>) {
    this.host = `127.0.0.1:${port}`;
    this.#close = close;
  }

  static async listen(directory: string, mayPull: (username: string, password: string) => boolean): Promise<TestRegistry> {
    const registry = createRegistry({
      bucket: await DirectoryBucket.open(join(directory, "bucket")),
      uploadsDirectory: join(directory, "uploads"),
      authorize: async (username, password) => {
        const isOwner = username === "owner" && password === "owner";
        return isOwner || mayPull(username, password) ? { repositoryPrefix: undefined, push: isOwner, pull: true } : undefined;
      },
      log: () => undefined,
    });
    const listening = await listenTlsAndPlain({
      host: "127.0.0.1",
      port: 0,
      tls: await createCertificate(),
      handler: (request, response) => registry.handle(request, response),
    });
    return new TestRegistry(listening.port, async () => {
      await listening.close();
      await registry[Symbol.asyncDispose]();
    });
  }

  /** Pushes an image without layers, `<repository>:<tag>`. Returns its digest. */
  async addImage(name: string): Promise<string> {
    const [repository = "", tag = ""] = name.split(":");
    const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }));
    await this.#send("POST", `${repository}/blobs/uploads/?digest=${sha256(config)}`, config, "application/octet-stream");
    const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha256(config), size: config.length };
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: descriptor, layers: [] }));
    await this.#send("PUT", `${repository}/manifests/${tag}`, manifest, MANIFEST);
    this.#configs.set(sha256(manifest), descriptor);
    return sha256(manifest);
  }

  configOf(manifestDigest: string): { readonly digest: string } {
    const config = this.#configs.get(manifestDigest);
    if (config === undefined) throw new Error(`${manifestDigest} was not added.`);
    return config;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #send(method: string, path: string, body: Buffer, type: string): Promise<void> {
    const authorization = `Basic ${Buffer.from("owner:owner").toString("base64")}`;
    const headers = { authorization, "content-type": type };
    const response = await fetch(`http://${this.host}/v2/${path}`, { method, headers, body: new Uint8Array(body) });
    if (response.status !== 201) throw new Error(`${method} ${path} is answered ${response.status}: ${await response.text()}`);
  }
}
