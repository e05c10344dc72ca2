/** What a sandbox is to become: known only when a container is created, long after the sandbox was made. */
export interface LateCommand {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The shim's exit code if nobody tells it to go on, since the engine was killed: then nothing of the command has run. */
export const NEVER_TOLD = 125;

/** Names of programs that are made to be process 1. Some refuse to be any other (s6-overlay's `/init`, systemd). */
const INITS = new Set([
  "init",
  "systemd",
  "s6-svscan",
  "tini",
  "dumb-init",
  "docker-init",
  "catatonit",
  "runit",
  "runit-init",
  "pid1",
  "my_init",
]);

/** True if a command's program is an init, which becomes process 1 itself. */
export function isInit([program = ""]: readonly string[]): boolean {
  return INITS.has(program.slice(program.lastIndexOf("/") + 1));
}

/**
 * The shell script that the shim sources. Every byte of a value survives: single quotes protect all but themselves.
 *
 * An init takes the shim's place. Of any other command the shim stays as process 1, and the command is its child: the kernel ignores signals
 * that process 1 has no handler for, so a program that does not know of containers would not end on SIGTERM; and orphans are reaped. The shim's
 * own remarks ("Terminated") must not get into the output.
 */
export function lateScript({ argv, environment }: LateCommand): string {
  const variables = Object.entries(environment).map(([name, value]) => quote(`${name}=${value}`));
  const [program = ""] = argv;
  // env takes words with "=" for variables until the first without: a program named so needs a step between.
  const command = program.includes("=") ? ["/.longshore/busybox", "sh", "-c", 'exec "$@"', "sh", ...argv] : argv;
  const run = ["/.longshore/busybox env -i --", ...variables, ...command.map(quote)].join(" ");
  if (isInit(argv)) return `exec ${run}\n`;
  return `exec 9>&2 2>/dev/null\n(exec ${run} 2>&9 9>&-)\nexit $?\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
