import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { text, type Values } from "./command.js";

/** The passphrase of a file, without the line's end; never of the command line, which everybody on the machine can read. Errors: `INVALID_INPUT`. */
export function passphraseOf(values: Values): { passphrase?: string } {
  const file = text(values, "passphrase-file");
  if (file === undefined) return {};
  try {
    const passphrase = readFileSync(file, "utf8").replace(/\r?\n$/, "");
    if (passphrase !== "") return { passphrase };
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The passphrase's file ${file} cannot be read.`, { cause });
  }
  throw new LongshoreError("INVALID_INPUT", `The passphrase's file ${file} is empty.`);
}
