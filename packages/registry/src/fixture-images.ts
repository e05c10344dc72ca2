// Images in OCI layouts, and the programs that push and pull them, for the tests of this package.
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const run = promisify(execFile);

/** How a program ended; a failure is not thrown, since tests look at it. */
export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs a program and gives all that it printed. */
export async function program(name: string, args: readonly string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await run(name, args, { maxBuffer: 16 * 1024 * 1024 });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: number | string; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, output: stdout + stderr };
  }
}

/** `skopeo --insecure-policy …` */
export function skopeo(...args: string[]): Promise<Ran> {
  return program("skopeo", ["--insecure-policy", ...args]);
}

/** A certificate for localhost that nobody trusts. */
export async function certificate(directory: string): Promise<{ key: Buffer; cert: Buffer }> {
  const key = join(directory, "key.pem");
  const cert = join(directory, "cert.pem");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const { code, output } = await program("openssl", [
    "req",
    "-x509",
    ...curve,
    "-nodes",
    "-subj",
    "/CN=localhost",
    "-days",
    "2",
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  if (code !== 0) throw new Error(output);
  return { key: await readFile(key), cert: await readFile(cert) };
}

export interface LayoutImage {
  readonly os?: string;
  readonly architecture: string;
  /** The layers' content; random if left out. */
  readonly layers?: readonly Buffer[];
}

/** A layer with one file in it, as tar and gzip. */
export function layerWith(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  const fields: [number, string][] = [
    [0, name],
    [100, "0000644\0"],
    [108, "0000000\0"],
    [116, "0000000\0"],
    [124, `${content.length.toString(8).padStart(11, "0")}\0`],
    [136, "00000000000\0"],
    [148, "        "],
    [156, "0"],
    [257, "ustar\x0000"],
  ];
  for (const [offset, text] of fields) header.write(text, offset, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return gzipSync(Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512), Buffer.alloc(1024)]), { level: 1 });
}

/** Writes an OCI layout: one image, or an index over several. Gives the digest of what its `index.json` names. */
export async function writeLayout(directory: string, images: readonly LayoutImage[]): Promise<string> {
  await mkdir(join(directory, "blobs", "sha256"), { recursive: true });
  const blob = async (mediaType: string, bytes: Buffer | string) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(directory, "blobs", "sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
  };
  const descriptors = [];
  for (const { os = "linux", architecture, layers = [layerWith("file", randomBytes(2000))] } of images) {
    const config = {
      os,
      architecture,
      config: { Cmd: ["/file"] },
      rootfs: { type: "layers", diff_ids: layers.map((bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`) },
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: await blob("application/vnd.oci.image.config.v1+json", JSON.stringify(config)),
      layers: await Promise.all(layers.map((bytes) => blob("application/vnd.oci.image.layer.v1.tar+gzip", bytes))),
    };
    descriptors.push({ ...(await blob(manifest.mediaType, JSON.stringify(manifest))), platform: { os, architecture } });
  }
  const index = (manifests: readonly object[]) => ({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests });
  const [first] = descriptors;
  if (first === undefined) throw new Error("a layout needs an image");
  const top = descriptors.length === 1 ? first : await blob("application/vnd.oci.image.index.v1+json", JSON.stringify(index(descriptors)));
  await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeFile(join(directory, "index.json"), JSON.stringify(index([top])));
  return top.digest;
}
