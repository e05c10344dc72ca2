import { type AssetFile, LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { sha256 } from "./ids.js";

/** Cloudflare's limits for a Worker's files. */
const MOST_FILES = 20_000;
const LARGEST_FILE = 25 * 1024 * 1024;
/** One request of an upload has at most so many files, and so many bytes unless it has one file only. */
const BUCKET_FILES = 500;
const BUCKET_BYTES = 8 * 1024 * 1024;

const entry = z.object({ hash: z.string().regex(/^[0-9a-f]{32}$/, "must be 32 hex digits"), size: z.number().int().min(0) });

/** The body that begins an upload: each file's path, with a digest of its content and kind that the client worked out. */
export const manifestBody = z.object({ manifest: z.record(z.string(), entry) });
export type Manifest = z.infer<typeof manifestBody>["manifest"];

/** Errors: `INVALID_INPUT` naming the path that cannot be a file's, `TOO_LARGE`. */
export function assertManifest(manifest: Manifest): void {
  const paths = Object.keys(manifest);
  if (paths.length > MOST_FILES) {
    throw new LongshoreError("TOO_LARGE", `There are ${paths.length} static files, and a Worker can have ${MOST_FILES}.`, {
      hint: "Name what is not to be uploaded in an .assetsignore file.",
    });
  }
  const sizes = new Map<string, number>();
  for (const [path, { hash, size }] of Object.entries(manifest)) {
    if (!isPath(path)) throw new LongshoreError("INVALID_INPUT", `${JSON.stringify(path)} cannot be the path of a static file.`);
    if (size > LARGEST_FILE) {
      throw new LongshoreError("TOO_LARGE", `The static file ${path} has ${size} bytes, and a file can have ${LARGEST_FILE}.`);
    }
    if ((sizes.get(hash) ?? size) !== size)
      throw new LongshoreError("INVALID_INPUT", `Two static files have the hash ${hash} and not one size.`);
    sizes.set(hash, size);
  }
  const files = new Set(paths);
  for (const path of paths) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (!files.has(path.slice(0, end))) continue;
      throw new LongshoreError("INVALID_INPUT", `${JSON.stringify(path.slice(0, end))} is a static file and a directory of one.`);
    }
  }
}

/** The list that a version keeps, and the id that depends on nothing but it. */
export function fileList(manifest: Manifest, keyOf: (hash: string) => string): { id: string; files: AssetFile[] } {
  const files = Object.entries(manifest)
    .map(([path, { hash, size }]) => ({ path, key: keyOf(hash), size }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return { id: sha256(JSON.stringify(files)), files };
}

/** The hashes of what is not there yet, in groups that are uploaded together. */
export function buckets(manifest: Manifest, present: ReadonlySet<string>): string[][] {
  const missing = new Map(Object.values(manifest).flatMap(({ hash, size }) => (present.has(hash) ? [] : [[hash, size]])));
  const groups: string[][] = [];
  let room = 0;
  for (const [hash, size] of missing) {
    const last = groups.at(-1);
    if (last === undefined || last.length === BUCKET_FILES || size > room) {
      groups.push([hash]);
      room = BUCKET_BYTES - size;
    } else {
      last.push(hash);
      room -= size;
    }
  }
  return groups;
}

/** Segments are names that a file system takes. */
function isPath(path: string): boolean {
  const [first, ...segments] = path.split("/");
  if (first !== "" || segments.length === 0 || path.length > 2048 || Buffer.from(path, "utf8").toString("utf8") !== path) return false;
  return segments.every((each) => each !== "" && each !== "." && each !== ".." && !each.includes("\0") && Buffer.byteLength(each) <= 255);
}
