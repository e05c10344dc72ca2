import type { ParseArgsConfig } from "node:util";

/** What a command may print with; tests pass their own. */
export interface Output {
  /** Standard output: results, and nothing else. */
  print(text: string): void;
  /** Standard error: what is going on. */
  note(text: string): void;
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

/** One verb of the command line. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help, examples included. */
  readonly help: string;
  /** How many words it takes beside options; none unless said. */
  readonly words?: number;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  /** Its words are another program's: unless they ask for help, it gets all of them as they are. */
  readonly passesOn?: true;
  /** Returns the exit code. Errors are printed by the caller. */
  run(values: Values, words: readonly string[], output: Output): Promise<number>;
}

/** A text option's value; `undefined` when it was not given. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}
