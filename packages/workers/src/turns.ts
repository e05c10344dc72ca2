import { LongshoreError } from "@longshore/contract";
import { Serial } from "./supervisor/serial.js";

/** Whole operations of one script, files and processes, one after the other; those of different scripts side by side. */
export class Turns {
  readonly #serials = new Map<string, Serial>();
  #closed = false;

  /** Runs `operation` when those before it have ended. Errors: `UNAVAILABLE` once {@link close} was called. */
  async take(script: string, operation: () => Promise<void>): Promise<void> {
    await this.#serial(script).run(async () => {
      if (this.#closed) throw new LongshoreError("UNAVAILABLE", "Longshore is shutting down.", { hint: "Try again once it runs." });
      await operation();
    });
  }

  /** From now on nothing begins but {@link last}. */
  close(): void {
    this.#closed = true;
  }

  /** Runs a last operation for each of the scripts, behind what has begun. */
  async last(scripts: Iterable<string>, operation: (script: string) => Promise<void>): Promise<void> {
    await Promise.all([...scripts].map((script) => this.#serial(script).run(() => operation(script))));
  }

  #serial(script: string): Serial {
    const serial = this.#serials.get(script) ?? new Serial();
    this.#serials.set(script, serial);
    return serial;
  }
}
