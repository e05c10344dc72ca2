import { rmSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../sys/journal.js";
import { CertificateAuthority } from "./certificate-authority.js";
import type { Caller } from "./connection.js";
import { type EgressRules, mergeRules } from "./rules.js";
import { Traffic } from "./traffic.js";

/** One application's outbound side: its containers' rules, and the authority that signs for the hosts they speak TLS to. Both are durable. */
export class TenantEgress {
  readonly #directory: string;
  /** Signs for the hosts that containers speak TLS to. */
  readonly authority: CertificateAuthority;
  /** What each container's Worker has set: an engine that is started again must not fall back to older rules. */
  readonly #rules: Journal<EgressRules>;
  /** What its containers send and receive. */
  readonly traffic: Traffic;
  /** Of connections that are open by what a container's Worker has said. */
  readonly #listeners = new Map<string, Set<() => void>>();
  #deleted = false;

  private constructor(directory: string, authority: CertificateAuthority) {
    this.#directory = directory;
    this.traffic = Traffic.open(join(directory, "traffic.json"));
    this.authority = authority;
    this.#rules = new Journal(join(directory, "rules.jsonl"));
  }

  static async open(directory: string, tenant: string): Promise<TenantEgress> {
    return new TenantEgress(directory, await CertificateAuthority.open(join(directory, "authority.json"), tenant));
  }

  /** A container's connections as they are to be treated, from now on and as rules change. `answers`: its class says what becomes of them. */
  caller(container: string, answers = false): Caller {
    return {
      answers,
      rules: () => this.#rules.entries.get(container),
      onWord: (listener) => this.#listen(container, listener),
      leaf: (host) => this.authority.leaf(host),
      goes: (socket, way) => this.traffic.count(socket, way),
    };
  }

  /** Takes a `PUT /egress` for a container. Durable when it returns. Errors: `INVALID_INPUT`. */
  configure(container: string, body: unknown): void {
    const current = this.#rules.entries.get(container);
    const rules = mergeRules(current, body);
    if (JSON.stringify(rules) !== JSON.stringify(current)) this.#rules.set(container, rules);
    // What the engine is not told may have changed, too.
    for (const listener of this.#listeners.get(container) ?? []) listener();
  }

  /** The container's Worker has no more to say: it has no network from now on. */
  forget(container: string): void {
    this.#rules.delete(container);
    for (const listener of this.#listeners.get(container) ?? []) listener();
  }

  #listen(container: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(container) ?? new Set();
    this.#listeners.set(container, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(container) === listeners) this.#listeners.delete(container);
    };
  }

  /** Saves what has been counted. */
  [Symbol.dispose](): void {
    this.#rules[Symbol.dispose]();
    if (!this.#deleted) this.traffic[Symbol.dispose]();
  }

  /** Removes all that is kept of the application. */
  delete(): void {
    this.#deleted = true;
    this.#rules[Symbol.dispose]();
    this.traffic[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
