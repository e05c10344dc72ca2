import { readFileSync } from "node:fs";
import { LongshoreError, toLongshoreError } from "@longshore/contract";
import type { Command, Output } from "./command.js";
import { backupCommand } from "./commands/backup.js";
import { devCommand } from "./commands/dev.js";
import { doctorCommand } from "./commands/doctor.js";
import { domainsCommand } from "./commands/domains.js";
import { downCommand } from "./commands/down.js";
import { envCommand } from "./commands/env.js";
import { imageCommand } from "./commands/image.js";
import { logsCommand } from "./commands/logs.js";
import { registryCommand } from "./commands/registry.js";
import { restoreCommand } from "./commands/restore.js";
import { rolloutCommand } from "./commands/rollout.js";
import { statusCommand } from "./commands/status.js";
import { tokenCommand } from "./commands/token.js";
import { upCommand } from "./commands/up.js";
import { nearest } from "./nearest.js";
import { parseCommand } from "./parse.js";
import { runWrangler } from "./wrangler/run.js";

const COMMANDS: readonly Command[] = [
  upCommand,
  downCommand,
  devCommand,
  statusCommand,
  rolloutCommand,
  domainsCommand,
  logsCommand,
  doctorCommand,
  imageCommand,
  registryCommand,
  tokenCommand,
  backupCommand,
  restoreCommand,
  envCommand,
];

const standardOutput: Output = {
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
};

/** Runs one command line. Returns the exit code: 0 done, 1 failed, 2 not understood. A user's mistake never prints a stack trace. */
export async function main(argv: readonly string[], output: Output = standardOutput): Promise<number> {
  const [verb, ...rest] = argv;
  try {
    if (verb === undefined || verb === "help" || verb === "--help" || verb === "-h") return await help(rest[0], output);
    if (verb === "version" || verb === "--version" || verb === "-v") return version(output);
    const command = COMMANDS.find((candidate) => candidate.name === verb);
    if (command !== undefined) return await runCommand(command, rest, output);
    return await runOther(verb, argv, output);
  } catch (error) {
    const failure = toLongshoreError(error, `longshore ${verb}`);
    output.note(failure.text);
    if (failure.code === "INTERNAL") output.note(whereFrom(failure));
    return failure.code === "INVALID_INPUT" ? 2 : 1;
  }
}

async function runCommand(command: Command, args: string[], output: Output): Promise<number> {
  if (command.passesOn === true) {
    return args.includes("--help") || args.includes("-h") ? await help(command.name, output) : await command.run({}, args, output);
  }
  const { values, words } = parseCommand(command, args);
  if (values.help === true) return await help(command.name, output);
  return await command.run(values, words, output);
}

/** A verb that is not ours is wrangler's, unless it can only be one of ours with a letter wrong. */
async function runOther(verb: string, argv: readonly string[], output: Output): Promise<number> {
  const meant = nearest(
    verb,
    COMMANDS.map(({ name }) => name),
  );
  if (meant === undefined) return await runWrangler(argv, output);
  throw new LongshoreError("INVALID_INPUT", `There is no command "${verb}".`, {
    hint: `Did you mean "longshore ${[meant, ...argv.slice(1)].join(" ")}"?`,
  });
}

function version(output: Output): number {
  const { version: own } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  output.print(`longshore ${own}`);
  return 0;
}

/** The stack of an error that nobody foresaw, without the message that is printed already. */
function whereFrom({ stack = "" }: Error): string {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n");
}

async function help(name: string | undefined, output: Output): Promise<number> {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) {
    output.print(command.help);
    return 0;
  }
  if (name !== undefined) return await runOther(name, [name, "--help"], output);
  const list = COMMANDS.map(({ name: verb, summary }) => `  ${verb.padEnd(10)}${summary}`).join("\n");
  output.print(`Longshore runs Cloudflare Containers applications on machines that you own.

Usage: longshore <command> [options]

${list}

Any other command is wrangler's, with the environment set so that it talks to this installation:
  longshore deploy
  longshore containers list

"longshore <command> --help" says more.`);
  return 0;
}
