import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import { LongshoreError } from "@longshore/contract";
import { Agent, type Dispatcher, request } from "undici";
import { Authorization } from "./authorization.js";
import { apiHost } from "./reference.js";
import type { RegistrySettings } from "./settings.js";

const MAX_REDIRECTS = 5;
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 200;
/** Between two pieces of an answer. */
const SILENCE_MS = 60_000;

export type Response = Dispatcher.ResponseData;

/** One registry's API, version 2. */
export class RegistryClient {
  readonly host: string;
  readonly #mayBePlain: boolean;
  #scheme: "https" | "http" = "https";
  /** An answer has come by this scheme. */
  #isSettled = false;
  readonly #dispatcher: Agent;
  readonly #authorization: Authorization;

  constructor(host: string, settings: RegistrySettings) {
    this.host = host;
    this.#mayBePlain = settings.insecure === true;
    this.#dispatcher = new Agent({
      connect: {
        rejectUnauthorized: settings.insecure !== true,
        ...(settings.ca === undefined ? {} : { ca: [settings.ca, ...rootCertificates] }),
      },
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
    });
    this.#authorization = new Authorization(host, settings, this.#dispatcher);
  }

  /**
   * `GET /v2/<repository>/<path>`, with access asked for when the registry wants it. The answer's status is 200, 206, 404 or 416; the caller reads its body.
   * Errors: `UNAUTHORIZED`, `UNAVAILABLE` (after several tries).
   */
  async get(repository: string, path: string, headers: Record<string, string>): Promise<Response> {
    let failure: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random()));
      try {
        const response = await this.#authorized(repository, `${this.#scheme}://${apiHost(this.host)}/v2/${repository}/${path}`, headers);
        this.#isSettled ||= response.statusCode < 400;
        if ([200, 206, 404, 416].includes(response.statusCode)) return response;
        await response.body.dump();
        if (response.statusCode === 429) failure = tooManyPulls(this.host);
        else failure = new Error(`status ${response.statusCode}`);
        if (response.statusCode < 500 && response.statusCode !== 429 && response.statusCode !== 408) break;
      } catch (error) {
        if (error instanceof LongshoreError) throw error;
        failure = error;
        if (this.#mayBePlain && !this.#isSettled && mayBeOtherScheme(error)) this.#scheme = this.#scheme === "https" ? "http" : "https";
      }
    }
    throw failure instanceof LongshoreError ? failure : unavailable(this.host, failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #authorized(repository: string, url: string, headers: Record<string, string>): Promise<Response> {
    for (let round = 0; ; round++) {
      const authorization = this.#authorization.header(repository);
      const response = await this.#followed(url, authorization === undefined ? headers : { ...headers, authorization });
      if (response.statusCode !== 401 && response.statusCode !== 403) return response;
      await response.body.dump();
      const wanted = response.headers["www-authenticate"];
      const header = Array.isArray(wanted) ? wanted.find((value) => /^\s*b(earer|asic)\b/i.test(value)) : wanted;
      // Docker Hub and others refuse what does not exist as they refuse what is private.
      if (round > 0 || !(await this.#authorization.answer(repository, header, authorization))) {
        throw new LongshoreError("UNAUTHORIZED", `The registry ${this.host} refuses access to ${repository}.`, {
          hint: "Set its credentials with `longshore registry add`, and check the image's name.",
        });
      }
    }
  }

  /** Blobs often lie elsewhere. What authorizes here is not shown there. */
  async #followed(url: string, headers: Record<string, string>): Promise<Response> {
    let target = new URL(url);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const { authorization, ...open } = headers;
      const sent = authorization !== undefined && target.origin === new URL(url).origin ? { ...open, authorization } : open;
      const response = await request(target, { dispatcher: this.#dispatcher, headers: sent });
      const { location } = response.headers;
      if (response.statusCode < 300 || response.statusCode >= 400 || typeof location !== "string") return response;
      await response.body.dump();
      target = new URL(location, target);
    }
    throw new Error("too many redirects");
  }
}

/** True for what one hears that speaks TLS to who does not, or the other way round: nonsense, or nothing. */
function mayBeOtherScheme(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return ["EPROTO", "ECONNRESET", "UND_ERR_SOCKET"].includes(code) || code.startsWith("ERR_SSL_") || code.startsWith("HPE_");
}

function tooManyPulls(host: string): LongshoreError {
  return new LongshoreError("UNAVAILABLE", `The registry ${host} answers no more requests for now (status 429).`, {
    hint: "Try again later; with credentials, or a mirror (`longshore registry add`), the limit is another one.",
  });
}

function unavailable(host: string, cause: unknown): LongshoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LongshoreError("UNAVAILABLE", `The registry ${host} cannot be asked: ${reason}.`, {
    cause,
    hint: "Check that this machine reaches it, and what `longshore registry list` says of it.",
  });
}
