import { LongshoreError } from "@longshore/contract";
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import { EcrPasswords } from "./ecr.js";
import type { RegistrySettings } from "./settings.js";

const answer = z.object({ token: z.string().optional(), access_token: z.string().optional(), expires_in: z.number().optional() });
/** What a token is good for when the registry does not say. */
const DEFAULT_LIFE_S = 60;
const DEADLINE_MS = 30_000;

/** What a registry asks for in `WWW-Authenticate`. */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: ReadonlyMap<string, string>;
}

/** Reads a `WWW-Authenticate` header; `undefined` for a scheme that registries do not use. */
export function parseChallenge(header: string): Challenge | undefined {
  const match = /^\s*(basic|bearer)\b(.*)$/is.exec(header);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme !== "basic" && scheme !== "bearer") return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, plain] of (match?.[2] ?? "").matchAll(/([a-z_]+)=(?:"([^"]*)"|([^\s,]+))/gi)) {
    parameters.set(name.toLowerCase(), quoted ?? plain ?? "");
  }
  return { scheme, parameters };
}

/** The `Authorization` of requests to one registry: what it was last told to send for a repository, and new ones when it is told again. */
export class Authorization {
  readonly #settings: RegistrySettings;
  readonly #dispatcher: Dispatcher;
  readonly #passwords: EcrPasswords | undefined;
  readonly #headers = new Map<string, { readonly value: string; readonly until: number }>();

  /** `host` is the registry's. */
  constructor(host: string, settings: RegistrySettings, dispatcher: Dispatcher) {
    this.#settings = settings;
    this.#dispatcher = dispatcher;
    this.#passwords = EcrPasswords.for(host, settings, dispatcher);
  }

  /** The header for a repository, if one is known that is still good. */
  header(repository: string): string | undefined {
    if (this.#passwords !== undefined) return this.#passwords.header;
    const known = this.#headers.get(repository);
    return known !== undefined && known.until > Date.now() ? known.value : undefined;
  }

  /**
   * Does what a registry's refusal asks for; `header` is what it says in `WWW-Authenticate`, `sent` the authorization that it refused.
   * Returns false when nothing can be done. Errors: `UNAUTHORIZED`, `UNAVAILABLE`.
   */
  async answer(repository: string, header: string | undefined, sent: string | undefined): Promise<boolean> {
    // Amazon's registries say "forbidden", and name no scheme, when a password has expired.
    if (this.#passwords !== undefined) return await this.#passwords.replace(sent);
    const challenge = header === undefined ? undefined : parseChallenge(header);
    if (challenge === undefined) return false;
    if (challenge.scheme === "basic") {
      const value = this.#basic();
      if (value === undefined || sent === value) return false;
      this.#headers.set(repository, { value, until: Number.POSITIVE_INFINITY });
      return true;
    }
    const { token, lifeMs } = await this.#token(repository, challenge.parameters);
    this.#headers.set(repository, { value: `Bearer ${token}`, until: Date.now() + lifeMs });
    return true;
  }

  #basic(): string | undefined {
    const { username, password } = this.#settings;
    return username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  }

  async #token(repository: string, parameters: ReadonlyMap<string, string>): Promise<{ token: string; lifeMs: number }> {
    const url = tokenUrl(parameters, repository);
    const basic = this.#basic();
    const { statusCode, body } = await request(url, {
      dispatcher: this.#dispatcher,
      headers: basic === undefined ? {} : { authorization: basic },
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    if (statusCode !== 200) {
      await body.dump();
      const code = statusCode === 401 || statusCode === 403 ? "UNAUTHORIZED" : "UNAVAILABLE";
      throw new LongshoreError(code, `${url.host} gives no access to ${repository} (status ${statusCode}).`, {
        hint: "Set the registry's user name and password with `longshore registry add`.",
      });
    }
    const parsed = answer.safeParse(await body.json());
    const token = parsed.data?.token ?? parsed.data?.access_token;
    if (token === undefined) throw new LongshoreError("UNAVAILABLE", `${url.host} answers without a token.`);
    return { token, lifeMs: (parsed.data?.expires_in ?? DEFAULT_LIFE_S) * 900 };
  }
}

function tokenUrl(parameters: ReadonlyMap<string, string>, repository: string): URL {
  const realm = parameters.get("realm") ?? "";
  if (!URL.canParse(realm)) throw new LongshoreError("UNAVAILABLE", `A registry names "${realm}" as where its tokens come from.`);
  const url = new URL(realm);
  const service = parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", parameters.get("scope") ?? `repository:${repository}:pull`);
  return url;
}
