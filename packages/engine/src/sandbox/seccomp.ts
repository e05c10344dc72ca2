import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";

/** The profile that Debian's containers packages install and podman applies; kept there by people who do nothing else. */
const PROFILE_FILE = "/usr/share/containers/seccomp.json";

/**
 * What that profile allows and this one does not. It is made for containers in which other containers are started; an ordinary service needs none of
 * these, and most ways out of a container that were ever found begin with a user namespace of the attacker's own, in which he has every capability.
 */
const DENIED = [
  ...["mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "pivot_root"],
  ...["unshare", "setns", "keyctl", "add_key", "request_key", "reboot", "syslog"],
  ...["io_uring_setup", "io_uring_enter", "io_uring_register"],
];
/** Of clone(2), the flags that make namespaces. What clone3(2) is asked for is in memory, where no filter looks: without it programs use clone(2). */
const NAMESPACE_FLAGS = 0x7e02_0000;
const PROCESS_RULES = [
  { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
  { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
];
const EPERM = 1;

const conditions = z.object({ caps: z.array(z.string()).optional(), arches: z.array(z.string()).optional() }).nullish();
const rule = z.object({
  names: z.array(z.string()),
  action: z.string(),
  errnoRet: z.number().optional(),
  args: z.array(z.object({ index: z.number(), value: z.number(), valueTwo: z.number(), op: z.string() })).nullish(),
  includes: conditions,
  excludes: conditions,
});
const profile = z.object({ defaultAction: z.string(), defaultErrnoRet: z.number().optional(), syscalls: z.array(rule) });

/**
 * The profile as an OCI runtime takes it: rules for other architectures and for capabilities that are not given are dropped. `also` names system
 * calls of {@link DENIED} that are allowed nevertheless.
 * Errors: `UNAVAILABLE` when the file is not there, since running without a filter is never an answer.
 */
export function seccompFor(capabilities: readonly string[], also: readonly string[] = []): Record<string, unknown> {
  const { syscalls, ...rest } = wholeProfile(capabilities);
  return {
    ...rest,
    syscalls: [
      ...syscalls.map((each) => ({
        ...each,
        names: each.names.filter((name) => !DENIED.includes(name) && name !== "clone" && name !== "clone3"),
      })),
      ...PROCESS_RULES,
      { names: DENIED.filter((name) => !also.includes(name)), action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      ...(also.length === 0 ? [] : [{ names: also, action: "SCMP_ACT_ALLOW" }]),
    ].filter(({ names }) => names.length > 0),
  };
}

/** What the profile lets only those do who have a capability in the container, and whoever starts containers in it does in theirs. */
const FOR_CONTAINERS_INSIDE = ["sethostname", "setdomainname", "setns"];

/** For those who start containers in a container. */
export function profileForContainersInside(capabilities: readonly string[]): Record<string, unknown> {
  const { syscalls, ...rest } = wholeProfile(capabilities);
  const others = syscalls.map((each) => ({ ...each, names: each.names.filter((name) => !FOR_CONTAINERS_INSIDE.includes(name)) }));
  return {
    ...rest,
    syscalls: [...others.filter(({ names }) => names.length > 0), { names: FOR_CONTAINERS_INSIDE, action: "SCMP_ACT_ALLOW" }],
  };
}

function wholeProfile(capabilities: readonly string[]) {
  const { defaultAction, defaultErrnoRet, syscalls } = readProfile();
  const applies = (entry: z.infer<typeof rule>) => {
    const { includes, excludes } = entry;
    if (includes?.arches !== undefined && !includes.arches.includes("amd64")) return false;
    if (includes?.caps !== undefined && !includes.caps.every((name) => capabilities.includes(name))) return false;
    if (excludes?.arches?.includes("amd64")) return false;
    return !excludes?.caps?.some((name) => capabilities.includes(name));
  };
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: syscalls.filter(applies).map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args === null || args === undefined || args.length === 0 ? {} : { args }),
    })),
  };
}

function readProfile(): z.infer<typeof profile> {
  try {
    return profile.parse(JSON.parse(readFileSync(PROFILE_FILE, "utf8")));
  } catch (cause) {
    throw new LongshoreError("UNAVAILABLE", `The seccomp profile ${PROFILE_FILE} cannot be read.`, {
      cause,
      hint: "Install the package golang-github-containers-common, then start Longshore again.",
    });
  }
}
