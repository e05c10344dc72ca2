import { rmSync } from "node:fs";
import { join } from "node:path";
import { CertificateAuthority } from "./certificate-authority.js";
import type { Caller } from "./connection.js";
import { type EgressRules, mergeRules } from "./rules.js";
import { RulesStore } from "./rules-store.js";
import { Traffic } from "./traffic.js";

/** One application's outbound side: its containers' rules, and the authority that signs for the hosts they speak TLS to. Both are durable. */
export class TenantEgress {
  readonly #directory: string;
  /** Signs for the hosts that containers speak TLS to. */
  readonly authority: CertificateAuthority;
  readonly #store: RulesStore;
  readonly #rules: Map<string, EgressRules>;
  /** What its containers send and receive. */
  readonly traffic: Traffic;
  #deleted = false;

  private constructor(directory: string, authority: CertificateAuthority) {
    this.#directory = directory;
    this.traffic = Traffic.open(join(directory, "traffic.json"));
    this.authority = authority;
    this.#store = new RulesStore(join(directory, "rules"));
    this.#rules = this.#store.readAll();
  }

  static async open(directory: string, tenant: string): Promise<TenantEgress> {
    return new TenantEgress(directory, await CertificateAuthority.open(join(directory, "authority.json"), tenant));
  }

  /** A container's connections as they are to be treated, from now on and as rules change. */
  caller(container: string): Caller {
    return {
      rules: () => this.#rules.get(container),
      leaf: (host) => this.authority.leaf(host),
      goes: (socket, way) => this.traffic.count(socket, way),
    };
  }

  /** Takes a `PUT /egress` for a container. Durable when it returns. Errors: `INVALID_INPUT`. */
  configure(container: string, body: unknown): void {
    const current = this.#rules.get(container);
    const rules = mergeRules(current, body);
    if (JSON.stringify(rules) === JSON.stringify(current)) return;
    this.#store.write(container, rules);
    this.#rules.set(container, rules);
  }

  /** The container's Worker has no more to say: it has no network from now on. */
  forget(container: string): void {
    if (this.#rules.delete(container)) this.#store.remove(container);
  }

  /** Saves what has been counted. */
  [Symbol.dispose](): void {
    if (!this.#deleted) this.traffic[Symbol.dispose]();
  }

  /** Removes all that is kept of the application. */
  delete(): void {
    this.#rules.clear();
    this.#deleted = true;
    this.traffic[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
