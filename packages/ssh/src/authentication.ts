import type { KeyObject } from "node:crypto";
import type { AuthContext, PublicKeyAuthContext } from "ssh2";
import { CERTIFICATE_TYPE, certifiedKey } from "./certificate.js";
import { KEY_TYPE, keyOf, publicKeyBlob, verifies } from "./keys.js";
import { WireReader } from "./wire.js";

/** The only user that there is: whoever the container's image runs as. */
const USER = "cloudchamber";

export interface TrustedKeys {
  /** Lines as in authorized_keys. */
  readonly authorizedKeys: readonly string[];
  /** Of authorities whose certificates are good for the user. */
  readonly authorityKeys: readonly string[];
}

/**
 * Who may log in: with a key that is trusted; or anybody whom the tunnel has let in, where no key is configured, since the right to open it
 * is the right to change the container.
 */
export function mayLogIn(context: AuthContext, trusted: TrustedKeys, now: number): boolean {
  if (context.username !== USER) return false;
  if (context.method === "none") return trusted.authorizedKeys.length === 0 && trusted.authorityKeys.length === 0;
  if (context.method !== "publickey") return false;
  const key = trustedKey(context, trusted, now);
  if (key === undefined) return false;
  // A client may ask first which of its keys is worth a signature.
  if (context.signature === undefined || context.blob === undefined) return true;
  return verifies(key, context.blob, plainSignature(context.signature));
}

/** A certificate's key signs under its own name, which ssh2 then leaves before the signature. */
function plainSignature(signature: Buffer): Buffer {
  const reader = new WireReader(signature);
  const named = reader.text() === KEY_TYPE ? reader.bytes() : undefined;
  return named !== undefined && reader.atEnd ? named : signature;
}

function trustedKey({ key: { algo, data } }: PublicKeyAuthContext, trusted: TrustedKeys, now: number): KeyObject | undefined {
  if (algo === KEY_TYPE) return trusted.authorizedKeys.some((each) => publicKeyBlob(each).equals(data)) ? keyOf(data) : undefined;
  if (algo === CERTIFICATE_TYPE) return certifiedKey(data, trusted.authorityKeys.map(publicKeyBlob), USER, now);
  return undefined;
}
