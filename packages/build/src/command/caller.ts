import { readFileSync } from "node:fs";

const LOOK_MS = 250;

/**
 * Calls `gone` once the process that started this one has ended, where this one leads a session of its own: wrangler starts builds so, and a terminal's
 * Ctrl-C then ends wrangler and does not reach them. Nothing but its parent's number tells a process that its parent is gone.
 */
export function watchCaller(gone: () => void): Disposable {
  const caller = process.ppid;
  const timer = leadsSession()
    ? setInterval(() => {
        if (process.ppid === caller) return;
        clearInterval(timer);
        gone();
      }, LOOK_MS).unref()
    : undefined;
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Fields of proc_pid_stat(5), behind the name, which may have blanks: state, parent, group, session. */
function leadsSession(): boolean {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(session) === process.pid;
}
