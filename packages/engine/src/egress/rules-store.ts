import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readLastLine, writeLastLine } from "../sys/last-line.js";
import type { EgressRules } from "./rules.js";

/**
 * One file per container, whose last line is the rules its Worker has set. Written before the Worker is answered, so that an engine which is started again
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
      const last = file.endsWith(".json") ? (readLastLine(path) as EgressRules | undefined) : undefined;
      if (last === undefined) rmSync(path, { force: true });
      else rules.set(decodeURIComponent(file.slice(0, -5)), last);
    }
    return rules;
  }

  write(container: string, rules: EgressRules): void {
    writeLastLine(this.#file(container), rules);
  }

  remove(container: string): void {
    rmSync(this.#file(container), { force: true });
  }

  /** The name comes from the application's workerd: nothing in it may be taken for a path. */
  #file(container: string): string {
    return join(this.#directory, `${encodeURIComponent(container)}.json`);
  }
}
