import { type ContainerClass, INSTANCE_TYPES, LongshoreError } from "@longshore/contract";
import type { ImageStore } from "./store.js";
import type { PreparedImage } from "./types.js";

/** Unpacks a class's image. Errors: those of the store, and `TOO_LARGE` saying which instance type would do. */
export async function prepareFor(images: ImageStore, containerClass: ContainerClass): Promise<PreparedImage> {
  const image = await images.prepare(containerClass.image, containerClass.size.diskMb * 1e6);
  requireFit(image, containerClass);
  return image;
}

/** An image is part of what fills an instance's disk. */
function requireFit(image: PreparedImage, { image: reference, size }: ContainerClass): void {
  const needed = Math.ceil(image.sizeBytes / 1e6);
  if (needed <= size.diskMb) return;
  const fitting = Object.entries(INSTANCE_TYPES).find(([, type]) => type.diskMb >= needed);
  throw new LongshoreError(
    "TOO_LARGE",
    `The image ${reference} takes ${needed} MB unpacked, more than the instance's disk of ${size.diskMb} MB.`,
    {
      hint:
        fitting === undefined
          ? "Make the image smaller, or set disk_mb of a custom instance type."
          : `Use instance_type "${fitting[0]}" (${fitting[1].diskMb} MB), or make the image smaller.`,
    },
  );
}
