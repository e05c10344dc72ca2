/** What a sandbox is to become: known only when a container is created, long after the sandbox was made. */
export interface LateCommand {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The program's file as the container sees it, if it was found and is one that the kernel runs; then nothing has to look for it again. */
  readonly executable?: string | undefined;
}

/** What the shim's directory has for the shim: the pipe it waits on, and a directory for what comes late: the command, and the command of an init. */
export const SHIM_FILES = { pipe: "f", late: "late", command: "go", init: "init" } as const;

const LATE = `/.longshore/${SHIM_FILES.late}`;

/** The shim's exit code if nobody tells it to go on, since the engine was killed: then nothing of the command has run. */
export const NEVER_TOLD = 125;

/**
 * What the shim runs from the beginning: process 1 waits for its child, and the child for one line on the pipe. So the child, which is to become the
 * command, is there before anybody asks for it. The shim's own remarks ("Terminated") must not get into the output.
 */
export const SHIM_SCRIPT = [
  "exec 9>&2 2>/dev/null",
  `(exec 2>&9 9>&-; read -r _ </.longshore/${SHIM_FILES.pipe} || exit ${NEVER_TOLD}; . ${LATE}/${SHIM_FILES.command})`,
  "code=$?",
  `if [ -e ${LATE}/${SHIM_FILES.init} ]; then exec 2>&9 9>&-; . ${LATE}/${SHIM_FILES.init}; fi`,
  "exit $code",
].join("\n");

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

/** The shell scripts that the shim's child and then, of an init, the shim itself run. */
export interface LateScripts {
  readonly command: string;
  readonly init?: string;
}

/**
 * Of any command but an init the shim stays as process 1, and the command is its child: the kernel ignores signals that process 1 has no handler
 * for, so a program that does not know of containers would not end on SIGTERM; and orphans are reaped. An init takes the shim's place.
 * Every byte of a value survives: single quotes protect all but themselves.
 */
export function lateScripts(command: LateCommand): LateScripts {
  const script = isPlain(command) ? plainScript(command, command.executable) : carefulScript(command);
  return isInit(command.argv) ? { command: "exit 0\n", init: script } : { command: script };
}

/** Variables that mean something to the shell itself, so that what it hands on is not what it was given. */
const SHELLS_OWN = new Set(["_", "EPOCHREALTIME", "EPOCHSECONDS", "FUNCNAME", "IFS", "LINENO", "OPTIND", "PPID", "RANDOM"]);

/** True if the shell can give the command its environment by itself: one program less to load, which is a tenth of a fast start. */
function isPlain(command: LateCommand): command is LateCommand & { readonly executable: string } {
  const hands = (name: string) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELLS_OWN.has(name);
  return command.executable !== undefined && Object.keys(command.environment).every(hands);
}

function plainScript({ argv, environment }: LateCommand, executable: string): string {
  const variables = Object.entries(environment).map(([name, value]) => quote(`${name}=${value}`));
  const [program = "", ...rest] = argv;
  return [
    // What the shell adds by itself.
    "unset PATH PWD OLDPWD SHLVL",
    ...(variables.length === 0 ? [] : [`export ${variables.join(" ")}`]),
    `exec -a ${[program, executable, ...rest].map(quote).join(" ")}\n`,
  ].join("\n");
}

function carefulScript({ argv, environment }: LateCommand): string {
  const variables = Object.entries(environment).map(([name, value]) => quote(`${name}=${value}`));
  const [program = ""] = argv;
  // env takes words with "=" for variables until the first without: a program named so needs a step between.
  const command = program.includes("=") ? ["/.longshore/busybox", "sh", "-c", 'exec "$@"', "sh", ...argv] : argv;
  return `${["exec /.longshore/busybox env -i --", ...variables, ...command.map(quote)].join(" ")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
