import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import { entryId, SERVICES_DIRECTORY, type ServiceEntry } from "./service-calls.js";

/**
 * Which entrypoints each script offers to which others. It is remembered below the run directory, so that the next server configures the processes
 * that it takes over as they are.
 */
export class Offers {
  readonly #file: string;
  readonly #calls: Map<string, readonly ServiceEntry[]>;

  constructor(runDirectory: string) {
    this.#file = join(runDirectory, SERVICES_DIRECTORY, "calls.json");
    this.#calls = new Map(Object.entries(read(this.#file)));
  }

  /** What a script offers, in a fixed order: its default entrypoint always, so that a first caller costs it no restart. */
  of(script: string): ServiceEntry[] {
    const asked = [...this.#calls.values()].flat().filter((entry) => entry.script === script);
    const entries = new Map([{ script }, ...asked].map((entry) => [entryId(entry), entry]));
    return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  }

  /** What a script calls, as last set. */
  calls(caller: string): readonly ServiceEntry[] {
    return this.#calls.get(caller) ?? [];
  }

  /** Every other script whose requests may come to this one, by way of others too. */
  callers(script: string): string[] {
    const found = new Set([script]);
    // A set hands out what is added to it while it is walked.
    for (const called of found) {
      for (const [caller, calls] of this.#calls) if (calls.some((entry) => entry.script === called)) found.add(caller);
    }
    found.delete(script);
    return [...found];
  }

  /** Sets what `caller` calls. Returns the scripts that offer more or less by it. */
  set(caller: string, calls: readonly ServiceEntry[]): string[] {
    const scripts = [...new Set([...this.calls(caller), ...calls].map(({ script }) => script))];
    const before = scripts.map((script) => this.of(script).map(entryId).join());
    if (calls.length === 0) this.#calls.delete(caller);
    else this.#calls.set(caller, calls);
    const changed = scripts.filter((script, index) => this.of(script).map(entryId).join() !== before[index]);
    if (scripts.length > 0) this.#write();
    return changed;
  }

  #write(): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#calls)), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function read(file: string): Record<string, ServiceEntry[]> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, ServiceEntry[]>;
  } catch (error) {
    // Half-written by a power cut, it describes processes that are gone as well.
    if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return {};
    throw error;
  }
}
