import type { ContainerClass, Engine } from "@longshore/contract";
import { containerClass } from "../model/application.js";
import type { ScriptHead } from "../model/script-head.js";
import type { Place } from "../options.js";
import type { Store } from "../state/store.js";

/** Tells the engine which container classes a script may start, from what the bucket says. Callers hold the script's lock. */
export class Tenants {
  readonly #store: Store;
  readonly #engine: Engine;
  readonly #place: Place;

  constructor(store: Store, engine: Engine, place: Place) {
    this.#store = store;
    this.#engine = engine;
    this.#place = place;
  }

  async sync(script: string): Promise<void> {
    const head = await this.#store.findHead(script);
    if (head === undefined) return;
    const classes: ContainerClass[] = [];
    for (const application of await this.#store.applications.all()) {
      if (application.script !== script) continue;
      const namespace = head.value.namespaces.find((each) => each.id === application.namespaceId);
      if (namespace === undefined) continue;
      const own = containerClass(application, namespace, this.#place);
      classes.push(application.isVersioned ? { ...own, image: await this.#firstImage(head.value, namespace.className) } : own);
    }
    await this.#engine.putTenant({ id: script, classes });
  }

  /** One of the images that the running version may start: the engine keeps sandboxes of it ready, and knows the account by it. */
  async #firstImage(head: ScriptHead, className: string): Promise<string> {
    const { containers } = await this.#store.activeVersion(head);
    const [first = ""] = Object.values(containers.find((each) => each.className === className)?.images ?? {});
    return first.slice(first.indexOf("/") + 1);
  }
}
