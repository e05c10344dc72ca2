import { allows } from "@longshore/contract";
import type { ApiTokens } from "@longshore/control";
import type { RegistryPasswords } from "./installation/registry-passwords.js";

/**
 * The registry's users, whatever they call themselves: those with a password that the API issued (reference/wrangler-api.md 6.3), which is good for
 * as long as the token is that it was asked for with, or with an API token itself.
 */
export function authorizeWith(passwords: RegistryPasswords, tokens: ApiTokens) {
  return async (_user: string, password: string) => {
    const issued = passwords.verify(password);
    const caller = issued === undefined ? await tokens.authenticate(password) : (await tokens.credentials(issued.tokenId))?.identity;
    if (caller === undefined) return undefined;
    return {
      push: issued?.push !== false && allows(caller.scopes, "registry", "write"),
      pull: issued?.pull !== false && allows(caller.scopes, "registry", "read"),
      repositoryPrefix: caller.accountId,
    };
  };
}
