import { type KeyedMutex, LongshoreError, type Publish, type PublishedScript } from "@longshore/contract";
import { checkDomains, checkRoutes, domainId, takenDomain, takenRoute } from "../model/addresses.js";
import type { CustomDomain, ScriptHead } from "../model/script-head.js";
import type { Log } from "../options.js";
import type { Store } from "../state/store.js";
import type { ScriptChanges } from "./script-changes.js";

export interface AddressesParts {
  readonly store: Store;
  readonly changes: ScriptChanges;
  readonly locks: KeyedMutex;
  readonly publish: Publish;
  readonly log: Log;
}

/** No script can have this name. Taken before a script's own lock, never after it. */
const LOCK = "~addresses";

export interface DomainChanges {
  readonly added: readonly CustomDomain[];
  readonly removed: readonly CustomDomain[];
  readonly updated: readonly { readonly domain: CustomDomain; readonly modified: boolean }[];
}

/** Custom domains and routes: which script an address belongs to. No two scripts have the same. */
export class Addresses {
  readonly #parts: AddressesParts;
  #publishing: Promise<void> = Promise.resolve();

  constructor(parts: AddressesParts) {
    this.#parts = parts;
  }

  /** What setting these domains would change. Errors: as {@link setDomains}. */
  async planDomains(script: string, wanted: readonly CustomDomain[]): Promise<DomainChanges> {
    const before = (await this.#parts.store.head(script)).value.domains ?? [];
    await this.#checkDomains(script, wanted);
    const old = (each: CustomDomain) => before.find(({ hostname }) => hostname === each.hostname);
    return {
      added: wanted.filter((each) => old(each) === undefined),
      removed: before.filter((each) => !wanted.some(({ hostname }) => hostname === each.hostname)),
      updated: wanted.flatMap((domain) => {
        const was = old(domain);
        return was === undefined
          ? []
          : [{ domain, modified: was.enabled !== domain.enabled || was.previewsEnabled !== domain.previewsEnabled }];
      }),
    };
  }

  /** Makes these the script's custom domains. Errors: `NOT_FOUND`, `INVALID_INPUT`, `CONFLICT` when another script has one; then nothing has changed. */
  setDomains(script: string, domains: readonly CustomDomain[]): Promise<ScriptHead> {
    return this.#parts.locks.run(LOCK, async () => {
      await this.#parts.store.head(script);
      await this.#checkDomains(script, domains);
      return this.change(script, (head) => ({ ...head, domains }));
    });
  }

  /** Makes these the script's routes. Errors: as {@link setDomains}. */
  setRoutes(script: string, routes: readonly string[]): Promise<ScriptHead> {
    return this.#parts.locks.run(LOCK, async () => {
      const { store } = this.#parts;
      await store.head(script);
      checkRoutes(routes);
      const taken = takenRoute(await store.liveHeads(), script, routes);
      if (taken !== undefined) throw conflict("route", taken);
      return this.change(script, (head) => ({ ...head, routes: [...new Set(routes)] }));
    });
  }

  /** Takes a custom domain from the script that has it. Errors: `NOT_FOUND`. */
  async removeDomain(id: string): Promise<void> {
    const owner = (await this.domains()).find(({ domain }) => domainId(domain.hostname) === id);
    if (owner === undefined) throw domainNotFound(id);
    await this.change(owner.script, (head) => ({
      ...head,
      domains: (head.domains ?? []).filter(({ hostname }) => domainId(hostname) !== id),
    }));
  }

  /** Changes a head in what the edge follows. Errors: `NOT_FOUND`. */
  async change(script: string, change: (head: ScriptHead) => ScriptHead): Promise<ScriptHead> {
    const head = await this.#parts.changes.changeHead(script, change);
    await this.publish();
    return head;
  }

  /** Every custom domain of every script. */
  async domains(): Promise<{ script: string; domain: CustomDomain }[]> {
    return (await this.#parts.store.liveHeads()).flatMap(({ name, domains }) =>
      (domains ?? []).map((domain) => ({ script: name, domain })),
    );
  }

  async published(): Promise<PublishedScript[]> {
    return (await this.#parts.store.liveHeads()).map(({ name, subdomain, domains, routes }) => ({
      name,
      enabled: subdomain.enabled,
      domains: (domains ?? []).filter(({ enabled }) => enabled).map(({ hostname }) => hostname),
      routes: routes ?? [],
    }));
  }

  /** Tells the edge. One after the other, so that what is told last is what was read last. */
  publish(): Promise<void> {
    const { publish, log } = this.#parts;
    this.#publishing = this.#publishing
      .then(async () => publish(await this.published()))
      .catch((error: unknown) => log.error("the edge was not told of changed addresses", { error }));
    return this.#publishing;
  }

  async #checkDomains(script: string, domains: readonly CustomDomain[]): Promise<void> {
    checkDomains(domains);
    const hosts = domains.map(({ hostname }) => hostname);
    const taken = takenDomain(await this.#parts.store.liveHeads(), script, hosts);
    if (taken !== undefined) throw conflict("custom domain", taken);
  }
}

export function domainNotFound(id: string): LongshoreError {
  return new LongshoreError("NOT_FOUND", `There is no custom domain with the id ${id}.`);
}

function conflict(what: string, [address, script]: readonly [string, string]): LongshoreError {
  return new LongshoreError("CONFLICT", `The ${what} ${address} belongs to the Worker "${script}".`, {
    hint: `Take it from that one first: "longshore domains remove ${address}", deploy it with other routes, or delete it.`,
  });
}
