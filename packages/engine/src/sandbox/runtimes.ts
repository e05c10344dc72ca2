import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { RuntimeCommand } from "./conmon.js";

const VERSION_DEADLINE_MS = 10_000;
/** Where a sandbox keeps what it was made with. */
const FILE = "runtime.json";

/** What is special about a runtime, by the first word of its `--version`. */
const KNOWN: Readonly<Record<string, Partial<RuntimeCommand>>> = { crun: { options: ["--cgroup-manager=cgroupfs"], givesTerminals: true } };

/**
 * Runtimes whose containers are a machine of their own. The engine reaches a container's ports through its network namespace, and its files through its
 * process's root; the host's kernel has neither of such a guest. Kata has had no program of this kind since version 2 either.
 */
const OWN_KERNEL: Readonly<Record<string, string>> = { runsc: "gVisor", "kata-runtime": "Kata Containers", kata: "Kata Containers" };

/**
 * How an OCI runtime is called: crun, runc, or a program that takes runc's arguments. `program` is an absolute path.
 * Errors: `UNAVAILABLE` when it cannot be run, `UNSUPPORTED` for one that cannot work here.
 */
export async function runtimeCommand(program: string, stateDirectory: string): Promise<RuntimeCommand> {
  const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: VERSION_DEADLINE_MS }).catch((cause: unknown) => {
    throw new LongshoreError("UNAVAILABLE", `The OCI runtime ${program} cannot be run.`, { cause, hint: "Name another with --runtime." });
  });
  const [name = ""] = stdout.trimStart().split(/\s/, 1);
  const guest = OWN_KERNEL[name];
  if (guest !== undefined) {
    throw new LongshoreError(
      "UNSUPPORTED",
      `${program} is ${guest}, whose containers have a kernel of their own; the engine cannot reach into it.`,
      {
        hint: "Use crun or runc.",
      },
    );
  }
  const { options = [], givesTerminals = false } = KNOWN[name] ?? {};
  const known = name === "crun" ? { stateDirectory } : {};
  return { program, options: [`--root=${stateDirectory}`, ...options], givesTerminals, ...known };
}

/** Notes down which runtime a sandbox is made with, so that the same is asked later, whatever the settings say then. */
export function rememberRuntime(sandboxDirectory: string, command: RuntimeCommand): void {
  writeFileSync(join(sandboxDirectory, FILE), JSON.stringify(command));
}

/** The runtime that a sandbox was made with; `otherwise` when nothing of it is there. */
export function runtimeOf(sandboxDirectory: string, otherwise: RuntimeCommand): RuntimeCommand {
  try {
    return JSON.parse(readFileSync(join(sandboxDirectory, FILE), "utf8")) as RuntimeCommand;
  } catch (error) {
    // A killed engine may have left the file empty, before the runtime was asked for anything.
    if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return otherwise;
    throw error;
  }
}
