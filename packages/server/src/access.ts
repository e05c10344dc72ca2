import { createHash, timingSafeEqual } from "node:crypto";
import type { InstallationIdentity } from "./installation/identity.js";
import type { RegistryPasswords } from "./installation/registry-passwords.js";

/** The API's tokens. There is one for now: the owner's. */
export function authenticateWith(identity: InstallationIdentity) {
  return async (token: string) => (sameText(token, identity.token) ? { accountId: identity.accountId } : undefined);
}

/** The registry's users: `v1` with a password that the API issued (reference/wrangler-api.md 6.3), or with the API token itself. */
export function authorizeWith(passwords: RegistryPasswords, identity: InstallationIdentity) {
  return async (_user: string, password: string) => {
    const access = sameText(password, identity.token) ? { push: true, pull: true } : passwords.verify(password);
    return access === undefined ? undefined : { ...access, repositoryPrefix: identity.accountId };
  };
}

/** Compares without telling by time how much was right. */
function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
