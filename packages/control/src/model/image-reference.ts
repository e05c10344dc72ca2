import { ContainersError } from "../api/errors.js";

/** An image in the installation's registry. */
export interface ImageReference {
  /** `<account>/<name>`. */
  readonly repository: string;
  readonly selector: { readonly tag: string } | { readonly digest: string };
}

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads an image name as clients send it, `<registryHost>/<account>/<name>:<tag>` or `…@sha256:…`.
 * Errors: `IMAGE_REGISTRY_NOT_CONFIGURED` for another registry, `VALIDATE_INPUT` for anything else that is wrong with it.
 */
export function parseImage(image: string, registryHost: string, accountId: string): ImageReference {
  const prefix = `${registryHost}/`;
  if (!image.startsWith(prefix)) {
    throw new ContainersError(
      "IMAGE_REGISTRY_NOT_CONFIGURED",
      {
        image: `"${image}" is not in this installation's registry (${registryHost}), and images from other registries are not served by Longshore yet.`,
      },
      { hint: `Write a Dockerfile with FROM ${image}, or push the image with \`wrangler containers push\`.` },
    );
  }
  const { name, selector } = splitSelector(image.slice(prefix.length));
  const slash = name.indexOf("/");
  const account = name.slice(0, Math.max(slash, 0));
  if (account !== accountId) {
    throw invalidImage(image, `must begin with ${registryHost}/${accountId}/, the account of this installation`);
  }
  if (name.length > 255 || !NAME.test(name.slice(slash + 1))) throw invalidImage(image, "has a name that no registry accepts");
  if (selector === undefined) throw invalidImage(image, "needs a tag or a sha256 digest");
  return { repository: name, selector };
}

/** The reference as the registry and the engine know it: without the host. */
export function localReference(reference: ImageReference): string {
  const { repository, selector } = reference;
  return "digest" in selector ? `${repository}@${selector.digest}` : `${repository}:${selector.tag}`;
}

function splitSelector(rest: string): { name: string; selector: ImageReference["selector"] | undefined } {
  const at = rest.indexOf("@");
  const tagged = at === -1 ? rest : rest.slice(0, at);
  const colon = tagged.lastIndexOf(":");
  const name = colon === -1 ? tagged : tagged.slice(0, colon);
  if (at !== -1) {
    const digest = rest.slice(at + 1);
    return { name, selector: DIGEST.test(digest) ? { digest } : undefined };
  }
  const tag = colon === -1 ? "" : tagged.slice(colon + 1);
  return { name, selector: TAG.test(tag) ? { tag } : undefined };
}

function invalidImage(image: string, wrong: string): ContainersError {
  return new ContainersError("VALIDATE_INPUT", { image: `"${image}" ${wrong}.` });
}
