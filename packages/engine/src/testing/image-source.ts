import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import type { ImageSource } from "../image/types.js";

const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface TestImage {
  /** Archives, lowest first, in place of the layer that is made from `fill`. */
  readonly layers?: readonly Buffer[];
  readonly config?: Record<string, unknown>;
  readonly architecture?: string;
  /** Fills the layer's directory. */
  readonly fill?: (directory: string) => void;
}

/** An image source that holds real images in memory: one gzip layer with busybox each, made with tar. */
export class MemoryImageSource implements ImageSource {
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, Buffer>();

  /** Adds an image and returns its manifest's digest. */
  add(reference: string, { config = {}, architecture = "amd64", fill = fillBusybox, layers = [archiveOf(fill)] }: TestImage = {}): string {
    const image = { architecture, os: "linux", rootfs: { type: "layers", diff_ids: layers.map(sha256) }, config };
    return this.addDocument(reference, {
      schemaVersion: 2,
      config: this.#descriptor("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(image))),
      layers: layers.map((layer) => this.#descriptor("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(layer, { level: 1 }))),
    });
  }

  /** Adds a manifest or an index as it is, and returns its digest. */
  addDocument(reference: string, document: unknown): string {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = this.#store(bytes);
    this.#manifests.set(reference, bytes);
    this.#manifests.set(`${reference.split(":")[0]}@${digest}`, bytes);
    return digest;
  }

  async manifest(reference: string) {
    const bytes = this.#manifests.get(reference);
    return bytes === undefined ? undefined : { digest: sha256(bytes), bytes };
  }

  async blob(digest: string) {
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : Readable.from([bytes]);
  }

  #descriptor(mediaType: string, bytes: Buffer) {
    return { mediaType, digest: this.#store(bytes), size: bytes.length };
  }

  #store(bytes: Buffer): string {
    const digest = sha256(bytes);
    this.#blobs.set(digest, bytes);
    return digest;
  }
}

function archiveOf(fill: (directory: string) => void): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "longshore-layer-"));
  try {
    fill(directory);
    return execFileSync("tar", ["-c", "--xattrs", "--sort=name", "--mtime=@0", "-C", directory, "."], { maxBuffer: 1 << 28 });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** busybox with the applets that tests use, and the few files that a system has. */
export function fillBusybox(directory: string): void {
  for (const path of ["bin", "etc", "tmp", "www"]) mkdirSync(join(directory, path));
  copyFileSync("/bin/busybox", join(directory, "bin/busybox"));
  chmodSync(join(directory, "bin/busybox"), 0o755);
  for (const applet of [
    "sh",
    "stat",
    "mkdir",
    "ln",
    "chmod",
    "rm",
    "df",
    "cat",
    "echo",
    "sleep",
    "httpd",
    "env",
    "ls",
    "nc",
    "dd",
    "touch",
    "test",
  ])
    symlinkSync("busybox", join(directory, "bin", applet));
  writeFileSync(join(directory, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(directory, "etc/group"), "root:x:0:\n");
  writeFileSync(join(directory, "www/index.html"), "hello from a container\n");
}
