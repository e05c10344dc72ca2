import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EgressRules } from "./rules.js";

/**
 * One file per container with the rules its Worker has set. Written before the Worker is answered, so that an engine which is started again
 * does not fall back to older rules; a tenth of a millisecond, no fsync, since rules end with the machine's containers.
 */
export class RulesStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  readAll(): Map<string, EgressRules> {
    const rules = new Map<string, EgressRules>();
    for (const file of readdirSync(this.#directory)) {
      const path = join(this.#directory, file);
      if (file.endsWith(".json")) rules.set(decodeURIComponent(file.slice(0, -5)), JSON.parse(readFileSync(path, "utf8")) as EgressRules);
      else rmSync(path, { force: true });
    }
    return rules;
  }

  write(container: string, rules: EgressRules): void {
    const file = this.#file(container);
    writeFileSync(`${file}.partial`, JSON.stringify(rules), { mode: 0o600 });
    renameSync(`${file}.partial`, file);
  }

  remove(container: string): void {
    rmSync(this.#file(container), { force: true });
  }

  /** The name comes from the application's workerd: nothing in it may be taken for a path. */
  #file(container: string): string {
    return join(this.#directory, `${encodeURIComponent(container)}.json`);
  }
}
