import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import { digestInReference, localName } from "../../image/local/name.js";

/** An image as the `docker` command sees it: one of this machine's own, or one that an application has brought here. */
export interface KnownImage {
  readonly digest: string;
  readonly names: readonly string[];
  /** What the image store is asked for. */
  readonly reference: string;
  readonly sizeBytes: number;
  /** When it came; 0 when that is not known. ms since 1970. */
  readonly createdAt: number;
  /** It can be tagged and removed here. Others are their applications'. */
  readonly local: boolean;
}

export type ImageParts = Pick<ContainerEngine["parts"], "images" | "localImages" | "imageSource">;

/** Every image of this machine, each once. */
export function knownImages({ images, localImages }: ImageParts): KnownImage[] {
  const own = localImages.list().map(
    (image): KnownImage => ({
      digest: image.digest,
      names: image.names,
      reference: localImages.reference(image),
      sizeBytes: images.prepared(image.digest)?.sizeBytes ?? image.sizeBytes,
      createdAt: Date.parse(image.at),
      local: true,
    }),
  );
  const others = images.list().flatMap(({ image, references }): KnownImage[] => {
    const names = references.filter((reference) => digestInReference(reference) === undefined);
    const [reference] = names;
    if (reference === undefined || own.some(({ digest }) => digest === image.digest)) return [];
    return [{ digest: image.digest, names, reference, sizeBytes: image.sizeBytes, createdAt: 0, local: false }];
  });
  return [...own, ...others];
}

/** An image by name, by digest, or by the beginning of it: this machine's own come first. Errors: `NOT_FOUND`. */
export function findImage(parts: ImageParts, text: string): KnownImage {
  const all = knownImages(parts);
  const local = parts.localImages.find(text);
  const wanted = [text, familiar(text)];
  const found =
    all.find(({ digest }) => digest === local?.digest) ??
    all.find(({ names, digest }) => digest === text || names.some((name) => wanted.includes(name) || wanted.includes(familiar(name)))) ??
    all.find(({ digest }) => digest.slice("sha256:".length).startsWith(text));
  if (found === undefined) throw new LongshoreError("NOT_FOUND", `No such image: ${text}`);
  return found;
}

function familiar(text: string): string {
  try {
    return localName(text);
  } catch (error) {
    if (error instanceof LongshoreError) return text;
    throw error;
  }
}
