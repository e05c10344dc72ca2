/** What to run, once it is clear what the caller wants. */
export type ExecPlan =
  | { readonly kind: "run"; readonly argv: readonly string[]; readonly killToken?: string }
  /** Send a signal to the process that was started with this token. */
  | { readonly kind: "signal"; readonly killToken: string; readonly signal: number };

/** workerd's wrapper, which leaves the command's pid in a file so that a later exec can signal it. */
const RECORD_PID = /^echo \$\$ > \/tmp\/\.workerd-exec-([0-9a-zA-Z-]+)\.pid; exec "\$@"$/;
/** That later exec: `kill -<n> "$(cat <file>)"`, with or without a test of the file before it, as versions of workerd differ. */
const SIGNAL_PID = /(?:^|; )kill -(\d{1,2}) "\$\(cat \/tmp\/\.workerd-exec-([0-9a-zA-Z-]+)\.pid\)"$/;

/**
 * workerd reaches a process's pid through a shell and a file in the container. The engine knows the pid itself, so it takes both steps over: then
 * neither a shell nor a writable /tmp is needed, nothing is left in the container, and one process fewer is started. Anything else is run as it is.
 */
export function planExec(command: readonly string[]): ExecPlan {
  const [shell, option, script = "", ...rest] = command;
  if (shell !== "/bin/sh" || option !== "-c") return { kind: "run", argv: command };
  const recorded = RECORD_PID.exec(script);
  if (recorded?.[1] !== undefined && rest.length > 1) return { kind: "run", argv: rest.slice(1), killToken: recorded[1] };
  const signalled = SIGNAL_PID.exec(script);
  if (signalled?.[2] !== undefined && rest.length === 0) {
    return { kind: "signal", killToken: signalled[2], signal: Number(signalled[1]) };
  }
  return { kind: "run", argv: command };
}
