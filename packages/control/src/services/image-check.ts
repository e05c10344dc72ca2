import { type Engine, LongshoreError } from "@longshore/contract";
import { ContainersError, type ContainersErrorName } from "../api/errors.js";
import { type Configuration, LARGEST } from "../model/configuration.js";
import { localReference, parseImage } from "../model/image-reference.js";
import type { Images } from "../options.js";

export interface ImageCheckParts {
  readonly images: Images;
  readonly engine: Engine;
  readonly registryHost: string;
  readonly accountId: string;
}

/** What the engine says of an image, in the words of the containers API; everything else stays as it is. */
const NAMES: Partial<Record<string, ContainersErrorName>> = {
  NOT_FOUND: "IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE",
  // By its own code a client would take it for a refusal of its token.
  UNAUTHORIZED: "IMAGE_REGISTRY_RETURNED_ERROR",
  TOO_LARGE: "VALIDATE_INPUT",
};

/** Finds an application's image in its registry, and has the engine unpack it. */
export class ImageCheck {
  readonly #parts: ImageCheckParts;

  constructor(parts: ImageCheckParts) {
    this.#parts = parts;
  }

  /**
   * What a version runs, whatever its tag is given to later: `<account>/<name>@sha256:…`, or `<host>/<name>@sha256:…` in another registry.
   * Errors: `VALIDATE_INPUT`, `IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE`, `IMAGE_REGISTRY_RETURNED_ERROR`, and the engine's.
   */
  async resolve(configuration: Configuration): Promise<string> {
    const reference = parseImage(configuration.image, this.#parts.registryHost, this.#parts.accountId);
    if (reference.isElsewhere) {
      const { digest, downloadBytes } = await inApiWords(() => this.#parts.engine.resolveImage(localReference(reference)));
      assertFits(configuration, downloadBytes, "to download");
      return `${reference.repository}@${digest}`;
    }
    const found = await this.#parts.images.resolve(localReference(reference));
    if (found === undefined) {
      throw new ContainersError(
        "IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE",
        { image: `"${configuration.image}" is not in the registry.` },
        {
          hint: "Push it with `wrangler containers push`, let `wrangler deploy` build it from a Dockerfile, or name its registry (docker.io/library/nginx:1).",
        },
      );
    }
    if (!found.digest.startsWith("sha256:")) {
      throw new ContainersError(
        "VALIDATE_INPUT",
        {
          image: `"${configuration.image}" was pushed with the digest ${found.digest.slice(0, 20)}…; containers run images with digests of sha256.`,
        },
        { hint: "Push it again without asking for another algorithm." },
      );
    }
    assertFits(configuration, found.size, "compressed");
    return `${reference.repository}@${found.digest}`;
  }

  /** As {@link prepare}, for what {@link resolve} has found before: it must still be in its registry, also where this machine has it unpacked. */
  async reprepare(image: string, configuration: Configuration): Promise<void> {
    if (image.startsWith(`${this.#parts.accountId}/`) && (await this.#parts.images.resolve(image)) === undefined) {
      throw new ContainersError("IMAGE_REGISTRY_DOESNT_CONTAIN_IMAGE", { image: `The registry has no ${image}.` });
    }
    await this.prepare(image, configuration);
  }

  /** Makes an image of the account ready that is named by its digest. Errors: as {@link resolve}. */
  async preparePinned(image: string): Promise<void> {
    const { registryHost, accountId } = this.#parts;
    const reference = parseImage(image, registryHost, accountId);
    if (reference.isElsewhere || !("digest" in reference.selector)) {
      throw new ContainersError("VALIDATE_INPUT", {
        image: `"${image}" must be in ${registryHost}/${accountId}/, and named by its digest.`,
      });
    }
    const configuration = { image, vcpu: LARGEST.vcpu, memory_mib: LARGEST.memoryMib, disk: { size_mb: LARGEST.diskMb } };
    await this.reprepare(localReference(reference), configuration);
  }

  /** Makes the image ready to start. Errors: as {@link resolve}; `VALIDATE_INPUT` when it does not fit on the instance's disk. */
  async prepare(image: string, configuration: Configuration): Promise<void> {
    const maxBytes = configuration.disk.size_mb * 1e6;
    const { sizeBytes } = await inApiWords(() => this.#parts.engine.prepareImage(image, maxBytes));
    assertFits(configuration, sizeBytes, "unpacked");
  }
}

function assertFits({ image, disk }: Configuration, bytes: number, as: string): void {
  if (bytes <= disk.size_mb * 1e6) return;
  throw new ContainersError(
    "VALIDATE_INPUT",
    { image: `"${image}" has ${Math.ceil(bytes / 1e6)} MB ${as}, more than the instance's disk of ${disk.size_mb} MB.` },
    { hint: "Choose a larger instance_type, or make the image smaller." },
  );
}

async function inApiWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const name = error instanceof LongshoreError ? NAMES[error.code] : undefined;
    if (!(error instanceof LongshoreError) || name === undefined) throw error;
    throw new ContainersError(name, { image: error.message }, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}
