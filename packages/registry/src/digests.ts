import { createHash, type Hash } from "node:crypto";
import { RegistryError } from "./errors.js";

/** The algorithms of the digests that the registry stores; the first is the one where a client names none. */
const ALGORITHMS = ["sha256", "sha512"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** The algorithm that `digest-algorithm` names, or the usual one. Errors: `DIGEST_INVALID`. */
export function checkedAlgorithm(name: string | null): Algorithm {
  const algorithm = name === null ? ALGORITHMS[0] : ALGORITHMS.find((known) => known === name);
  if (algorithm !== undefined) return algorithm;
  throw new RegistryError("DIGEST_INVALID", `${JSON.stringify(name)} is not an algorithm of digests that this registry stores.`, {
    hint: `Use ${ALGORITHMS.join(" or ")}.`,
  });
}

/** The algorithm of a digest that has been checked. */
export function algorithmOf(digest: string): Algorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The digest of some bytes. */
export function digestOf(bytes: Uint8Array, algorithm: Algorithm): string {
  return finished(createHash(algorithm).update(bytes), algorithm);
}

/** The digest of all that a hash was given. */
export function finished(hash: Hash, algorithm: Algorithm): string {
  return `${algorithm}:${hash.digest("hex")}`;
}
