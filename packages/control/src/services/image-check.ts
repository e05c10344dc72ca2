import type { Engine } from "@longshore/contract";
import { ContainersError } from "../api/errors.js";
import type { Configuration } from "../model/configuration.js";
import { localReference, parseImage } from "../model/image-reference.js";
import type { Images } from "../options.js";

export interface ImageCheckParts {
  readonly images: Images;
  readonly engine: Engine;
  readonly registryHost: string;
  readonly accountId: string;
}

/** Finds an application's image in the registry, and has the engine unpack it. */
export class ImageCheck {
  readonly #parts: ImageCheckParts;

  constructor(parts: ImageCheckParts) {
    this.#parts = parts;
  }

  /** `<account>/<name>@sha256:…`. Errors: `VALIDATE_INPUT`, `IMAGE_REGISTRY_NOT_CONFIGURED`, `IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE`. */
  async resolve(configuration: Configuration): Promise<string> {
    const reference = parseImage(configuration.image, this.#parts.registryHost, this.#parts.accountId);
    const found = await this.#parts.images.resolve(localReference(reference));
    if (found === undefined) {
      throw new ContainersError(
        "IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE",
        { image: `"${configuration.image}" is not in the registry.` },
        { hint: "Push it with `wrangler containers push`, or let `wrangler deploy` build it from a Dockerfile." },
      );
    }
    return `${reference.repository}@${found.digest}`;
  }

  /** Makes the image ready to start. Errors: the engine's, and `VALIDATE_INPUT` when it does not fit on the instance's disk. */
  async prepare(image: string, configuration: Configuration): Promise<void> {
    const { sizeBytes } = await this.#parts.engine.prepareImage(image);
    const diskMb = configuration.disk.size_mb;
    if (sizeBytes <= diskMb * 1e6) return;
    throw new ContainersError(
      "VALIDATE_INPUT",
      { image: `"${configuration.image}" takes ${Math.ceil(sizeBytes / 1e6)} MB unpacked, more than the instance's disk of ${diskMb} MB.` },
      { hint: "Choose a larger instance_type, or make the image smaller." },
    );
  }
}
