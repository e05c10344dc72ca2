import { ContainersError } from "../api/errors.js";

/** An image in the installation's registry or in another one. */
export interface ImageReference {
  /** `<account>/<name>`, or in another registry `<host>/<name>`: as the engine knows it. */
  readonly repository: string;
  readonly selector: { readonly tag: string } | { readonly digest: string };
  readonly isElsewhere: boolean;
}

const HOST = /^(?=.*[.:]|localhost$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/;
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads an image name as clients send it, `<host>/<name>:<tag>` or `…@sha256:…`; in the installation's own registry, `<registryHost>`, a name begins
 * with the account. Errors: `VALIDATE_INPUT`.
 */
export function parseImage(image: string, registryHost: string, accountId: string): ImageReference {
  const slash = image.indexOf("/");
  const host = image.slice(0, Math.max(slash, 0));
  if (host !== registryHost && !HOST.test(host)) {
    throw invalidImage(image, `must begin with a registry: ${registryHost} for this installation's, or another one such as docker.io`);
  }
  const { name, selector } = splitSelector(image.slice(slash + 1));
  const isElsewhere = host !== registryHost;
  if (!isElsewhere && !name.startsWith(`${accountId}/`)) {
    throw invalidImage(image, `must begin with ${registryHost}/${accountId}/, the account of this installation`);
  }
  if (name.length > 255 || !NAME.test(isElsewhere ? name : name.slice(accountId.length + 1))) {
    throw invalidImage(image, "has a name that no registry accepts");
  }
  if (selector === undefined) throw invalidImage(image, "needs a tag or a sha256 digest");
  return { repository: isElsewhere ? `${host}/${name}` : name, selector, isElsewhere };
}

/** The reference as the registry and the engine know it: without the installation's own host. */
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
