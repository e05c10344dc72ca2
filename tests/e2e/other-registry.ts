import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DirectoryBucket } from "@longshore/bucket";
import { createRegistry, listenTlsAndPlain } from "@longshore/registry";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString("base64")}`;

/** A registry that belongs to somebody else: `me` may pull with the password `pull`, and push with `push`. */
export class OtherRegistry implements AsyncDisposable {
  readonly host: string;
  /** Method and path of each request that it got. */
  readonly requests: string[] = [];
  readonly #close: () => Promise<void>;

  private constructor(host: string, requests: string[], close: () => Promise<void>) {
    this.host = host;
    this.requests = requests;
    this.#close = close;
  }

  static async listen(): Promise<OtherRegistry> {
    const directory = mkdtempSync(join(tmpdir(), "longshore-other-"));
    const requests: string[] = [];
    const registry = createRegistry({
      bucket: await DirectoryBucket.open(join(directory, "bucket")),
      uploadsDirectory: join(directory, "uploads"),
      authorize: async (username, password) =>
        username === "me" && ["pull", "push"].includes(password)
          ? { repositoryPrefix: undefined, push: password === "push", pull: true }
          : undefined,
      log: () => undefined,
    });
    const listening = await listenTlsAndPlain({
      host: "127.0.0.1",
      port: 0,
      tls: undefined,
      handler: (request, response) => {
        requests.push(`${request.method} ${request.url}`);
        return registry.handle(request, response);
      },
    });
    return new OtherRegistry(`127.0.0.1:${listening.port}`, requests, async () => {
      await listening.close();
      await registry[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });
  }

  /** Pushes an image that serves `page` on port 8080. */
  async add(name: string, page: string): Promise<void> {
    const [repository = "", tag = ""] = name.split(":");
    const layer = serverLayer(page);
    const config = Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
        config: { Cmd: ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"], ExposedPorts: { "8080/tcp": {} } },
      }),
    );
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: await this.#blob(repository, "application/vnd.oci.image.config.v1+json", config),
      layers: [await this.#blob(repository, "application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layer, { level: 1 }))],
    });
    await this.#send("PUT", `${repository}/manifests/${tag}`, Buffer.from(manifest), MANIFEST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #blob(repository: string, mediaType: string, bytes: Buffer): Promise<Record<string, unknown>> {
    const digest = digestOf(bytes);
    await this.#send("POST", `${repository}/blobs/uploads/?digest=${digest}`, bytes, "application/octet-stream");
    return { mediaType, digest, size: bytes.length };
  }

  async #send(method: string, path: string, body: Buffer, type: string): Promise<void> {
    const headers = { authorization: basic("push"), "content-type": type };
    const response = await fetch(`http://${this.host}/v2/${path}`, { method, headers, body: new Uint8Array(body) });
    if (response.status !== 201) throw new Error(`${method} ${path} is answered ${response.status}: ${await response.text()}`);
  }
}

function serverLayer(page: string): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "longshore-layer-"));
  try {
    for (const path of ["bin", "tmp", "www"]) mkdirSync(join(directory, path));
    copyFileSync("/bin/busybox", join(directory, "bin/busybox"));
    writeFileSync(join(directory, "www/index.html"), `${page}\n`);
    return execFileSync("tar", ["-c", "--sort=name", "--mtime=@0", "-C", directory, "."], { maxBuffer: 1 << 28 });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
