import { parseArgs } from "node:util";
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
  if (verb === undefined || verb === "help" || verb === "--help" || verb === "-h") return help(rest[0], output);
  const command = COMMANDS.find((candidate) => candidate.name === verb);
  try {
    return command === undefined ? await runWrangler(argv) : await runCommand(command, rest, output);
  } catch (error) {
    const failure = toLongshoreError(error, `longshore ${verb}`);
    output.note(failure.text);
    if (failure.code === "INTERNAL" && failure.stack !== undefined) output.note(failure.stack);
    return failure.code === "INVALID_INPUT" ? 2 : 1;
  }
}

async function runCommand(command: Command, args: string[], output: Output): Promise<number> {
  if (command.passesOn === true) {
    return args.includes("--help") || args.includes("-h") ? help(command.name, output) : await command.run({}, args, output);
  }
  const options = { ...command.options, help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = parse(command, args, options);
  if (values.help === true) return help(command.name, output);
  return await command.run(values as Record<string, string | boolean | undefined>, positionals, output);
}

function parse(command: Command, args: string[], options: Command["options"]) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LongshoreError("INVALID_INPUT", reason, { cause, hint: `See "longshore ${command.name} --help".` });
  }
}

function help(name: string | undefined, output: Output): number {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) {
    output.print(command.help);
    return 0;
  }
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
