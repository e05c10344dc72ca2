import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { z } from "zod";

/** The profile that Debian's containers packages install and podman applies; kept there by people who do nothing else. */
const PROFILE_FILE = "/usr/share/containers/seccomp.json";

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
 * The profile as an OCI runtime takes it: rules for other architectures and for capabilities that are not given are dropped.
 * Errors: `UNAVAILABLE` when the file is not there, since running without a filter is never an answer.
 */
export function seccompFor(capabilities: readonly string[]): Record<string, unknown> {
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
