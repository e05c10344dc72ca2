import { parseArgs } from "node:util";
import { LongshoreError } from "@longshore/contract";
import type { Command, Values } from "./command.js";
import { nearest } from "./nearest.js";

const HELP = { help: { type: "boolean", short: "h" } } as const;

/** What a command was called with. Errors: `INVALID_INPUT` naming the option or word that is not right. */
export function parseCommand(command: Command, args: string[]): { values: Values; words: string[] } {
  const options: Command["options"] = { ...command.options, ...HELP };
  const wrong = (message: string, meant?: string) =>
    new LongshoreError("INVALID_INPUT", message, {
      hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}See "longshore ${command.name} --help".`,
    });
  // Not Node.js's own strictness, whose messages are about the syntax of options.
  const { values, positionals, tokens } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = options[token.name];
    if (option === undefined) {
      const meant = nearest(token.name, Object.keys(options));
      throw wrong(`"longshore ${command.name}" has no option ${token.rawName}.`, meant === undefined ? undefined : `--${meant}`);
    }
    if (option.type === "boolean" && token.value !== undefined) throw wrong(`${token.rawName} takes no value.`);
    if (option.type === "string" && isMissing(token.value, token.inlineValue)) throw wrong(`${token.rawName} needs a value.`);
  }
  const asked = values.help === true;
  const stray = positionals[command.words ?? 0];
  if (!asked && stray !== undefined) throw wrong(`"longshore ${command.name}" does not take the word ${JSON.stringify(stray)}.`);
  return { values: values as Values, words: positionals };
}

/** The next option is no value, but `-` alone is: it stands for standard input. */
function isMissing(value: string | undefined, inline: boolean | undefined): boolean {
  return value === undefined || value === "" || (inline !== true && /^--?[a-z]/.test(value));
}
