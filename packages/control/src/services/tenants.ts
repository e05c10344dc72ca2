import type { ContainerClass, Engine } from "@longshore/contract";
import { containerClass } from "../model/application.js";
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
      if (namespace !== undefined) classes.push(containerClass(application, namespace, this.#place));
    }
    await this.#engine.putTenant({ id: script, classes });
  }
}
