import { X509Certificate } from "node:crypto";
import type { CertificatePair, Certificates } from "../certificates.js";
import type { CertificateDirectory } from "./certificate-directory.js";
import { dueAt, type HostState, NEW_HOST } from "./schedule.js";

export interface ManagedOptions {
  readonly certificates: Certificates;
  readonly directory: CertificateDirectory;
  /** Has a certificate issued; rejects when that fails. */
  readonly issue: (host: string) => Promise<CertificatePair>;
  /** The current time, in milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: (message: string) => void;
}

/** Longest time that having one issued may take: an authority may ask to be left alone for hours. */
const ISSUE_MS = 5 * 60_000;
/** The longest time that a timer can wait is 24 days; what the clock does meanwhile is looked at more often. */
const LONGEST_WAIT_MS = 12 * 3_600_000;

/** Keeps a certificate for each host that is to have one: asks for those that are missing, and again in good time before they end, one after the other. */
export class ManagedCertificates implements Disposable {
  readonly #options: ManagedOptions;
  readonly #states = new Map<string, HostState>();
  #hosts: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #working = false;
  #ended = false;

  private constructor(options: ManagedOptions) {
    this.#options = options;
  }

  /** With what was issued before. What cannot be read (any more) is asked for again; what has ended is removed. */
  static async open(options: ManagedOptions): Promise<ManagedCertificates> {
    const managed = new ManagedCertificates(options);
    for (const [host, pair] of await options.directory.all()) {
      try {
        if (validityOf(pair).to < options.clock()) await options.directory.delete(host);
        else managed.#take(host, pair);
      } catch (error) {
        options.log(`The certificate of ${host} cannot be read, and is asked for again: ${String(error)}`);
      }
    }
    return managed;
  }

  /** From now on these are to have certificates. */
  setHosts(hosts: Iterable<string>): void {
    this.#hosts = new Set(hosts);
    void this.#work();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #work(): Promise<void> {
    if (this.#working || this.#ended) return;
    this.#working = true;
    clearTimeout(this.#timer);
    const { clock } = this.#options;
    let next = this.#next();
    while (next !== undefined && next.at <= clock() && !this.#ended) {
      await this.#renew(next.host);
      next = this.#next();
    }
    this.#working = false;
    if (next === undefined || this.#ended) return;
    this.#timer = setTimeout(() => void this.#work(), Math.min(Math.max(0, next.at - clock()), LONGEST_WAIT_MS));
    this.#timer.unref();
  }

  /** The host whose turn it is first. Those that the operator has brought a certificate for need none. */
  #next(): { host: string; at: number } | undefined {
    const waiting = [...this.#hosts].filter((host) => !this.#options.certificates.coversItself(host));
    return waiting.map((host) => ({ host, at: dueAt(this.#states.get(host) ?? NEW_HOST) })).sort((a, b) => a.at - b.at)[0];
  }

  async #renew(host: string): Promise<void> {
    const { issue, directory, clock, log } = this.#options;
    try {
      const pair = await withDeadline(issue(host), ISSUE_MS);
      await directory.put(host, pair);
      this.#take(host, pair);
      log(`${host} has a new certificate, valid until ${new Date(validityOf(pair).to).toISOString()}.`);
    } catch (error) {
      const before = this.#states.get(host) ?? NEW_HOST;
      const state = { ...before, failures: before.failures + 1, failedAt: clock() };
      this.#states.set(host, state);
      log(`There is no new certificate for ${host}: ${reasonOf(error)} The next try is at ${new Date(dueAt(state)).toISOString()}.`);
    }
  }

  #take(host: string, pair: CertificatePair): void {
    this.#options.certificates.setIssued(host, pair);
    this.#states.set(host, { validity: validityOf(pair), failures: 0, failedAt: 0 });
  }
}

function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`The authority was not done within ${ms / 1000} s.`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function validityOf({ cert }: CertificatePair): { from: number; to: number } {
  const { validFrom, validTo } = new X509Certificate(cert);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

function reasonOf(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(reason) ? reason : `${reason}.`;
}
