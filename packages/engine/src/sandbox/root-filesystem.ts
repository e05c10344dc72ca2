import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mountOverlay, unmount } from "../sys/libc.js";

/**
 * Mounts an image's layers with a fresh writable one on top, at `<directory>/root`.
 * The kernel takes at most a page of options: layers are named relative to their directory, which is the working directory for the call.
 */
export async function mountRoot(directory: string, layersDirectory: string, layers: readonly string[]): Promise<void> {
  await Promise.all([mkdir(join(directory, "upper"), { mode: 0o755 }), mkdir(join(directory, "work"))]);
  // Overlay wants the highest layer first; an image without layers still needs one.
  const lower = layers.length === 0 ? [join(directory, "root")] : [...new Set([...layers].reverse())];
  const options = `lowerdir=${lower.join(":")},upperdir=${join(directory, "upper")},workdir=${join(directory, "work")}`;
  const previous = process.cwd();
  process.chdir(layersDirectory);
  try {
    mountOverlay(join(directory, "root"), options);
  } finally {
    process.chdir(previous);
  }
}

/** Takes the engine's own view of the mount away; none there is fine. */
export function unmountRoot(directory: string): void {
  unmount(join(directory, "root"));
}
