import { findImage, type ImageParts } from "../http/docker/known-images.js";
import type { PreparedImage } from "../image/types.js";

/** An image of this machine by any of its names, unpacked. Errors: `NOT_FOUND`, and those of unpacking it. */
export async function prepareOwn(parts: ImageParts, text: string): Promise<{ readonly reference: string; readonly image: PreparedImage }> {
  const { reference } = findImage(parts, text);
  return { reference, image: await parts.images.prepare(reference) };
}
