import { join } from "node:path";
import { type Fixture, fixture } from "./fixture.js";
import { copyHostProgram } from "./host-program.js";

/** x86-64 numbers of the system calls that attacks begin with. */
const CALLS = {
  ptrace: 101,
  syslog: 103,
  mknod: 133,
  pivot_root: 155,
  settimeofday: 164,
  mount: 165,
  umount2: 166,
  swapon: 167,
  reboot: 169,
  init_module: 175,
  quotactl: 179,
  kexec_load: 246,
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  unshare: 272,
  perf_event_open: 298,
  open_by_handle_at: 304,
  setns: 308,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  open_tree: 428,
  fsopen: 430,
  clone3: 435,
  mount_setattr: 442,
} as const;

export type CallName = keyof typeof CALLS;

/** A host whose image has perl, which can make any system call: the attacker's tool. */
export async function attackedHost(): Promise<Fixture> {
  const f = await fixture();
  if (!copyHostProgram("perl", join(f.host.layersDirectory, "busybox"))) throw new Error("perl is not on this machine");
  return f;
}

/** A shell command that makes a system call and prints `<name> <errno>`, 0 for success. Arguments are perl's: numbers, or strings for pointers. */
export function call(name: CallName, ...args: (number | string)[]): string {
  const list = args.map((arg) => (typeof arg === "number" ? String(arg) : `my $x${arg.length}="${arg}\\0"`));
  return `/usr/bin/perl -e 'my $r = syscall(${[CALLS[name], ...list].join(", ")}); print "${name} ", ($r == -1 ? $!+0 : 0), "\\n"'`;
}

export const ERRNO = { EPERM: 1, ENOSYS: 38 } as const;

export const EVERY_CALL = Object.keys(CALLS) as CallName[];
