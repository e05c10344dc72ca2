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
  add(reference: string, { config = {}, architecture = "amd64", fill = fillBusybox }: TestImage = {}): string {
    const directory = mkdtempSync(join(tmpdir(), "longshore-layer-"));
    try {
      fill(directory);
      const layer = execFileSync("tar", ["-c", "--xattrs", "--sort=name", "--mtime=@0", "-C", directory, "."], { maxBuffer: 1 << 28 });
      const gzip = gzipSync(layer, { level: 1 });
      const image = { architecture, os: "linux", rootfs: { type: "layers", diff_ids: [sha256(layer)] }, config };
      const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: this.#store(bytes), size: bytes.length });
      const manifest = {
        schemaVersion: 2,
        config: descriptor("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(image))),
        layers: [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", gzip)],
      };
      const bytes = Buffer.from(JSON.stringify(manifest));
      this.#manifests.set(reference, bytes);
      return this.#store(bytes);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  async manifest(reference: string) {
    const bytes = this.#manifests.get(reference);
    return bytes === undefined ? undefined : { digest: sha256(bytes), bytes };
  }

  async blob(digest: string) {
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : Readable.from([bytes]);
  }

  #store(bytes: Buffer): string {
    const digest = sha256(bytes);
    this.#blobs.set(digest, bytes);
    return digest;
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
