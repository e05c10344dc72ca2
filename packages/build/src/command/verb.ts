import { parseArgs } from "node:util";
import { LongshoreError } from "@longshore/contract";
import type { BuildSettings } from "../settings.js";

/** What a command gets beside its words. */
export interface VerbContext {
  readonly settings: BuildSettings;
  /** Aborted when the command is told to end. */
  readonly signal: AbortSignal;
}

/** One command: writes its result to the standard output and resolves to the exit code. Throws `LongshoreError`. */
export type Verb = (args: readonly string[], context: VerbContext) => Promise<number>;

type FlagOptions = Readonly<Record<string, { readonly type: "string" | "boolean"; readonly short?: string; readonly multiple?: boolean }>>;
type FlagValue<F> = F extends { type: "boolean" } ? boolean : F extends { multiple: true } ? string[] : string;

/** The flags that were given, and the words beside them. */
export interface Flags<T extends FlagOptions> {
  readonly values: { readonly [Name in keyof T]?: FlagValue<T[Name]> };
  readonly positionals: readonly string[];
}

/** Reads flags and words. Errors: `INVALID_INPUT` for a flag that the command does not have. */
export function readFlags<const T extends FlagOptions>(verb: string, args: readonly string[], options: T): Flags<T> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: values as Flags<T>["values"], positionals };
  } catch (error) {
    // parseArgs throws for bad input only, and its messages are made for the person who typed it.
    const reason = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new LongshoreError("INVALID_INPUT", `${reason}.`, {
      cause: error,
      hint: `"${verb}" takes ${Object.keys(options)
        .map((name) => `--${name}`)
        .join(", ")}.`,
    });
  }
}

/** Errors: `INVALID_INPUT` unless there are exactly `names.length` words. */
export function requireWords(verb: string, words: readonly string[], names: readonly string[]): void {
  if (words.length === names.length) return;
  throw new LongshoreError(
    "INVALID_INPUT",
    `"${verb}" needs ${names.length === 0 ? "no arguments" : names.join(" and ")}, but got ${words.length === 0 ? "nothing" : words.join(" ")}.`,
  );
}

/** Writes one line of result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
