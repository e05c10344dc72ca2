/** What a sandbox is to become: known only when a container is created, long after the sandbox was made. */
export interface LateCommand {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The shell script that the shim sources. Every byte of a value survives: single quotes protect all but themselves.
 * A variable whose name holds `=` or NUL cannot exist in a process and is the caller's error.
 */
export function lateScript({ argv, environment }: LateCommand): string {
  const variables = Object.entries(environment).map(([name, value]) => quote(`${name}=${value}`));
  const [program = ""] = argv;
  // env takes words with "=" for variables until the first without: a program named so needs a step between.
  const command = program.includes("=") ? ["/.longshore/busybox", "sh", "-c", 'exec "$@"', "sh", ...argv] : argv;
  return `exec /.longshore/busybox env -i -- ${[...variables, ...command.map(quote)].join(" ")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
