import { Agent } from "node:https";
import type acme from "acme-client";
import type { CertificatePair } from "../certificates.js";
import type { AcmeAccount, CertificateDirectory } from "./certificate-directory.js";

export interface IssuerOptions {
  /** URL of the certificate authority's directory (RFC 8555, 7.1.1). */
  readonly directoryUrl: string;
  /** Where the authority writes to when a certificate is about to end. */
  readonly email?: string;
  /** Certificate of the authority's own server, PEM, where no usual one has signed it. */
  readonly ca?: string;
  readonly directory: CertificateDirectory;
}

const REQUEST_MS = 30_000;
/** How often and in which pauses an authority is asked whether it is done. */
const ASKING = { backoffAttempts: 20, backoffMin: 500, backoffMax: 10_000 };

/** Has certificates issued by ACME (RFC 8555), proving a host by an answer over HTTP on its port 80. */
export class Issuer {
  /** Token → the answer that proves that we have the account's key. */
  readonly #challenges = new Map<string, string>();
  readonly #options: IssuerOptions;
  #client: Promise<acme.Client> | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  challengeAnswer(token: string): string | undefined {
    return this.#challenges.get(token);
  }

  /** A new certificate for the host, with a new key. Errors: the authority's words. It ends within some minutes. */
  async issue(host: string): Promise<CertificatePair> {
    try {
      return await this.#issue(host);
    } catch (cause) {
      // What the library says when there was no answer at all.
      if (cause instanceof TypeError) throw new Error(`The authority at ${this.#options.directoryUrl} does not answer.`, { cause });
      throw cause;
    }
  }

  async #issue(host: string): Promise<CertificatePair> {
    const client = await this.#account();
    const order = await client.createOrder({ identifiers: [{ type: "dns", value: host }] });
    for (const authorization of await client.getAuthorizations(order)) {
      if (authorization.status === "valid") continue;
      const challenge = authorization.challenges.find(({ type }) => type === "http-01");
      if (challenge === undefined) throw new Error("The authority offers no challenge by HTTP.");
      this.#challenges.set(challenge.token, await client.getChallengeKeyAuthorization(challenge));
      try {
        await client.completeChallenge(challenge);
        await client.waitForValidStatus(challenge);
      } finally {
        this.#challenges.delete(challenge.token);
      }
    }
    const { crypto } = await this.#library();
    const [key, csr] = await crypto.createCsr({ commonName: host, altNames: [host] }, await crypto.createPrivateEcdsaKey());
    const finished = await client.finalizeOrder(order, csr);
    return { cert: await client.getCertificate(finished), key: key.toString() };
  }

  /** Loaded when it is needed: it brings much, and most installations have no authority to ask. */
  async #library(): Promise<typeof acme> {
    const { default: library } = await import("acme-client");
    // One more try at once; what takes longer is the schedule's, so that one host does not hold the others up.
    const retries = { retryMaxAttempts: 1, retryDefaultDelay: 1 };
    Object.assign((library.axios.defaults as unknown as { acmeSettings: object }).acmeSettings, retries);
    library.axios.defaults.timeout = REQUEST_MS;
    const { ca } = this.#options;
    if (ca !== undefined) library.axios.defaults.httpsAgent ??= new Agent({ ca });
    return library;
  }

  #account(): Promise<acme.Client> {
    this.#client ??= this.#openAccount().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  /** The key is kept before the account is made: a key that is used again finds its account. */
  async #openAccount(): Promise<acme.Client> {
    const { directory, directoryUrl, email } = this.#options;
    const library = await this.#library();
    let account: AcmeAccount | undefined = await directory.account(directoryUrl);
    if (account === undefined) {
      account = { directoryUrl, key: (await library.crypto.createPrivateEcdsaKey()).toString() };
      await directory.putAccount(account);
    }
    const { key: accountKey, url } = account;
    const client = new library.Client({ directoryUrl, accountKey, ...ASKING, ...(url === undefined ? {} : { accountUrl: url }) });
    if (url === undefined) {
      await client.createAccount({ termsOfServiceAgreed: true, ...(email === undefined ? {} : { contact: [`mailto:${email}`] }) });
      await directory.putAccount({ ...account, url: client.getAccountUrl() });
    }
    return client;
  }
}
