import type { Images } from "@longshore/control";
import type { ImageSource } from "@longshore/engine";
import { z } from "zod";

const sized = z.object({ config: z.object({ size: z.number() }), layers: z.array(z.object({ size: z.number() })) });

/** What the control plane may know of the registry's images: that they exist, under which digest, and their compressed size in bytes. */
export function imageCatalogue(source: ImageSource): Images {
  return {
    async resolve(reference) {
      const manifest = await source.manifest(reference);
      if (manifest === undefined) return undefined;
      const parsed = sized.safeParse(JSON.parse(manifest.bytes.toString("utf8")));
      // An index has no size of its own; the engine tells when it unpacks it.
      const size = parsed.success ? parsed.data.layers.reduce((sum, layer) => sum + layer.size, parsed.data.config.size) : 0;
      return { digest: manifest.digest, size };
    },
  };
}
