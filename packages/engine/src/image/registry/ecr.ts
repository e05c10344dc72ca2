import { LongshoreError } from "@longshore/contract";
import { AwsV4Signer } from "aws4fetch";
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import type { AwsKey, RegistrySettings } from "./settings.js";

const TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const DEADLINE_MS = 30_000;
/** A password is not used when it has less than this left: a layer that is begun with it takes a while. */
const MARGIN_MS = 5 * 60_000;
/** A password that was made less than this ago is not made again when it is refused: another one would be refused too. */
const FRESH_MS = 10_000;

const answer = z.object({
  authorizationData: z.array(z.object({ authorizationToken: z.string(), expiresAt: z.number() })).min(1),
});
const refusal = z.object({ __type: z.string(), message: z.string().optional(), Message: z.string().optional() }).partial();

/** Where an Amazon registry gives its passwords out. */
interface TokenService {
  readonly endpoint: URL;
  readonly region: string;
}

/** The service for a registry `<account>.dkr.ecr.<region>.amazonaws.com[.cn]`, or the one that the settings name. Errors: `INVALID_INPUT`. */
export function tokenService(host: string, key: AwsKey): TokenService {
  const [, named, domain] = /^\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)$/.exec(host) ?? [];
  const region = key.region ?? named;
  const endpoint = key.endpoint ?? (region === undefined ? undefined : `https://api.ecr.${region}.${domain ?? "amazonaws.com"}/`);
  if (region === undefined || endpoint === undefined || !URL.canParse(endpoint)) {
    throw new LongshoreError(
      "INVALID_INPUT",
      `The registry ${host} has an AWS access key, but where its passwords come from is not known.`,
      {
        hint: "Set its region (and its endpoint, if it has one of its own) with `longshore registry add`.",
      },
    );
  }
  return { region, endpoint: new URL(endpoint) };
}

/** The passwords of one Amazon registry, each used until shortly before it expires. */
export class EcrPasswords {
  readonly #host: string;
  readonly #key: AwsKey;
  readonly #dispatcher: Dispatcher;
  #known: { readonly header: string; readonly madeAt: number; readonly until: number } | undefined;
  #underWay: Promise<void> | undefined;

  constructor(host: string, key: AwsKey, dispatcher: Dispatcher) {
    this.#host = host;
    this.#key = key;
    this.#dispatcher = dispatcher;
  }

  /** From a registry's settings, when they have an access key. */
  static for(host: string, settings: RegistrySettings, dispatcher: Dispatcher): EcrPasswords | undefined {
    return settings.aws === undefined ? undefined : new EcrPasswords(host, settings.aws, dispatcher);
  }

  /** The `Authorization` to send; `undefined` when there is none that is still good. */
  get header(): string | undefined {
    return this.#known !== undefined && this.#known.until > Date.now() ? this.#known.header : undefined;
  }

  /**
   * Gets another header in place of one that was refused; callers at the same time share it. Returns false when there is no other one to be had.
   * Errors: `UNAUTHORIZED`, `UNAVAILABLE`, `INVALID_INPUT`.
   */
  async replace(refusedHeader: string | undefined): Promise<boolean> {
    if (this.header !== undefined && this.header !== refusedHeader) return true;
    if (this.header !== undefined && Date.now() - (this.#known?.madeAt ?? 0) < FRESH_MS) return false;
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = undefined;
    });
    await this.#underWay;
    return true;
  }

  async #ask(): Promise<void> {
    const { endpoint, region } = tokenService(this.#host, this.#key);
    const signed = await new AwsV4Signer({
      method: "POST",
      url: endpoint.href,
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": TARGET },
      body: "{}",
      service: "ecr",
      region,
      accessKeyId: this.#key.accessKeyId,
      secretAccessKey: this.#key.secretAccessKey,
      ...(this.#key.sessionToken === undefined ? {} : { sessionToken: this.#key.sessionToken }),
    }).sign();
    const { status, json } = await this.#send(signed.url, Object.fromEntries(signed.headers));
    const given = answer.safeParse(json).data?.authorizationData[0];
    if (status !== 200 || given === undefined) throw refused(endpoint.host, this.#host, status, json);
    const now = Date.now();
    const until = given.expiresAt * 1000;
    // One that lives shorter than the margin is used for half of its life.
    this.#known = { header: `Basic ${given.authorizationToken}`, madeAt: now, until: Math.max(until - MARGIN_MS, (now + until) / 2) };
  }

  async #send(url: URL, headers: Record<string, string>): Promise<{ status: number; json: unknown }> {
    try {
      const response = await request(url, {
        method: "POST",
        dispatcher: this.#dispatcher,
        headers,
        body: "{}",
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const text = await response.body.text();
      return { status: response.statusCode, json: parsed(text) };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LongshoreError("UNAVAILABLE", `${url.host}, which has the passwords of ${this.#host}, cannot be asked: ${reason}.`, {
        cause,
        hint: "Check that this machine reaches it.",
      });
    }
  }
}

function refused(service: string, host: string, status: number, json: unknown): LongshoreError {
  const { __type = "", message, Message } = refusal.safeParse(json).data ?? {};
  const reason = [__type.split("#").pop(), message ?? Message].filter((part) => part !== undefined && part !== "").join(": ");
  // A key that is not accepted is a 400 here, as is a request too many.
  const isRefusal = status >= 400 && status < 500 && status !== 429 && !__type.endsWith("ThrottlingException");
  return new LongshoreError(
    isRefusal ? "UNAUTHORIZED" : "UNAVAILABLE",
    `${service} gives no password for ${host} (status ${status}${reason === "" ? "" : `, ${reason}`}).`,
    { hint: "Check accessKeyId, secretAccessKey and this machine's clock; the key's owner needs ecr:GetAuthorizationToken." },
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
