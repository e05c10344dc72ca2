/** What a sandbox is to become: known only when a container is created, long after the sandbox was made. */
export interface LateCommand {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The shell script that the shim sources. Every byte of a value survives: single quotes protect all but themselves.
 *
 * The shim stays as process 1 and the command is its child: the kernel ignores signals that process 1 has no handler for, so a program that does
 * not know of containers would not end on SIGTERM; and orphans are reaped. The shim's own remarks ("Terminated") must not get into the output.
 */
export function lateScript({ argv, environment }: LateCommand): string {
  const variables = Object.entries(environment).map(([name, value]) => quote(`${name}=${value}`));
  const [program = ""] = argv;
  // env takes words with "=" for variables until the first without: a program named so needs a step between.
  const command = program.includes("=") ? ["/.longshore/busybox", "sh", "-c", 'exec "$@"', "sh", ...argv] : argv;
  const run = ["/.longshore/busybox env -i --", ...variables, ...command.map(quote)].join(" ");
  return `exec 9>&2 2>/dev/null\n(exec ${run} 2>&9 9>&-)\nexit $?\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
