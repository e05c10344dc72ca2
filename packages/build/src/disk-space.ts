import { statfs } from "node:fs/promises";
import { LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "./build-root.js";

/** Less than this left counts as a full disk, whatever is wanted. Bytes. */
const FULL_BELOW = 16 * 1024 * 1024;

/** The `NO_SPACE` error if fewer than `wanted` bytes are free under the build root. buildah itself reports a full disk only in words. */
export async function spaceError(root: BuildRoot, wanted = 0): Promise<LongshoreError | undefined> {
  const { bavail, bsize } = await statfs(root.root);
  const free = bavail * bsize;
  if (free >= Math.max(wanted, FULL_BELOW)) return undefined;
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;
  const needed = wanted > FULL_BELOW ? `, and ${megabytes(wanted)} are needed` : "";
  return new LongshoreError("NO_SPACE", `The disk is full: ${megabytes(free)} are free under ${root.root}${needed}.`, {
    hint: 'Free some space, for example with "rmi" of images that are no longer used, or set LONGSHORE_BUILD_ROOT to a larger disk.',
  });
}
