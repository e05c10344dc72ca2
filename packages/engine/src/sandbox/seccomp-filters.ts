import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import type { RuntimeCommand } from "./conmon.js";

/** crun takes a filter that is compiled already by this annotation, in base64, in place of the profile. Other runtimes pass over it. */
const ANNOTATION = "run.oci.seccomp_bpf_data";
/** Where crun keeps what it has compiled for a container. */
const FILE = "seccomp.bpf";

/**
 * What runtimes have compiled profiles to. Compiling one takes 11 ms of processor time, a fifth of all that making a sandbox takes, and comes to the same each
 * time: so the first sandbox's filter is given to the others.
 */
export class SeccompFilters {
  readonly #known = new Map<string, WeakMap<object, string>>();

  /** What to add to the configuration of a sandbox with this profile: nothing until one has been made. */
  annotations(runtime: RuntimeCommand, profile: object): Record<string, string> {
    const filter = this.#known.get(runtime.program)?.get(profile);
    return filter === undefined ? {} : { [ANNOTATION]: filter };
  }

  /** Takes note of the filter of a sandbox that was made with this profile. */
  learn({ program, stateDirectory }: RuntimeCommand, profile: object, sandbox: string): void {
    if (stateDirectory === undefined || this.#known.get(program)?.has(profile) === true) return;
    const filter = readFilter(join(stateDirectory, sandbox, FILE));
    if (filter.length === 0) return;
    const ofRuntime = this.#known.get(program) ?? new WeakMap<object, string>();
    this.#known.set(program, ofRuntime.set(profile, filter.toString("base64")));
  }
}

function readFilter(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    // A version that keeps it elsewhere compiles each time.
    if (isErrno(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
}
