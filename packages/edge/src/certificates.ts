import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

/** A certificate with the chain that clients need, and its private key: PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** Errors: whatever OpenSSL says of a pair that does not fit together or cannot be read. */
export function hostsOf({ cert, key }: CertificatePair): string[] {
  createSecureContext({ cert, key });
  const names = new X509Certificate(cert).subjectAltName?.split(", ") ?? [];
  return names.filter((name) => name.startsWith("DNS:")).map((name) => name.slice(4).toLowerCase());
}

/** The certificates that the edge has, by host name. Those of the operator win over those that were issued here. */
export class Certificates {
  #own: ReadonlyMap<string, SecureContext> = new Map();
  readonly #issued = new Map<string, SecureContext>();
  #first: SecureContext | undefined;

  /** Makes these the operator's; connections that are there keep theirs. Errors: as {@link hostsOf}; then nothing has changed. */
  setOwn(pairs: readonly CertificatePair[]): void {
    const contexts = pairs.map((pair) => ({ hosts: hostsOf(pair), context: createSecureContext(pair) }));
    // The first of two for the same host wins.
    this.#own = new Map(contexts.toReversed().flatMap(({ hosts, context }) => hosts.map((host) => [host, context] as const)));
    this.#first = contexts[0]?.context;
  }

  setIssued(host: string, pair: CertificatePair): void {
    this.#issued.set(host, createSecureContext(pair));
  }

  /** True when the operator has brought a certificate for the host. */
  coversItself(host: string): boolean {
    return this.#own.has(host) || this.#own.has(wildcardOf(host));
  }

  has(host: string): boolean {
    return this.coversItself(host) || this.#issued.has(host);
  }

  /** What to show to a client that asks for the host, or for none (`""`): a certificate for another host where there is no better one. */
  contextOf(host: string): SecureContext | undefined {
    return this.#own.get(host) ?? this.#own.get(wildcardOf(host)) ?? this.#issued.get(host) ?? this.#first;
  }
}

/** A wildcard stands for one label. */
function wildcardOf(host: string): string {
  return `*${host.slice(Math.max(0, host.indexOf(".")))}`;
}
