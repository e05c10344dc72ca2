import type { ImageSource } from "../types.js";
import type { LocalImages } from "./local-images.js";
import { digestInReference } from "./name.js";

/** Images of this machine by their own references, and all others from where they came before. */
export function withLocalImages(local: LocalImages, others: ImageSource): ImageSource {
  const sourceOf = (reference: string): ImageSource => (digestInReference(reference) === undefined ? others : local);
  return {
    manifest: (reference, options) => sourceOf(reference).manifest(reference, options),
    blob: (digest, reference, size) => sourceOf(reference).blob(digest, reference, size),
  };
}
