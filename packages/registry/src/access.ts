import type { IncomingMessage } from "node:http";
import { RegistryError } from "./errors.js";
import { type Access, mayName, namespaceOf } from "./http.js";

/** Says what a user may do; `undefined` when name and password are not right. */
export type Authorize = (username: string, password: string) => Promise<Access | undefined>;

/** What a request needs: `any` is any known user. */
export type Need = "any" | "pull" | "push";

/** Errors: `UNAUTHORIZED` with the challenge that makes a client send its name and password. */
export async function authenticate(req: IncomingMessage, authorize: Authorize): Promise<Access> {
  const credentials = basicCredentials(req.headers.authorization);
  if (credentials === undefined) {
    throw unauthorized(
      "This registry needs a user name and a password.",
      'Log in first: "docker login", user name v1, the token as password.',
    );
  }
  const access = await authorize(credentials.username, credentials.password);
  if (access !== undefined) return access;
  throw unauthorized("The user name or the password is not right, or has expired.", "Get new credentials, then log in again.");
}

/** Errors: `DENIED` when the caller may not do this, or not to this repository. */
export function checkAllowed(access: Access, need: Need, repository: string | undefined): void {
  if (need !== "any" && !access[need]) {
    throw new RegistryError("DENIED", `These credentials do not allow to ${need}.`, {
      hint: `Get credentials with the permission to ${need}.`,
    });
  }
  if (repository === undefined || mayName(access, repository)) return;
  throw new RegistryError("DENIED", `The repository ${repository} does not belong to this account.`, {
    hint: `The account's repositories are named ${namespaceOf(access)}<name>.`,
  });
}

function basicCredentials(header: string | undefined): { username: string; password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  return colon < 0 ? undefined : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

function unauthorized(message: string, hint: string): RegistryError {
  return new RegistryError("UNAUTHORIZED", message, {
    hint,
    headers: { "www-authenticate": 'Basic realm="Longshore registry", charset="UTF-8"' },
  });
}
