import { existsSync } from "node:fs";
import { resolveInRoot } from "../image/root.js";
import { deviceNode } from "../sys/mount-namespace.js";
import { DEFAULT_CAPABILITIES } from "./oci-spec.js";
import { seccompFor } from "./seccomp.js";

/** What a sandbox has besides, in order to mount file systems of its own programs. */
export interface FuseGrant {
  /** The device on the host, by a name that a container's first process may use. */
  readonly device: string;
  readonly seccomp: Record<string, unknown>;
}

const DEVICE = "/dev/fuse";
const [MAJOR, MINOR] = [10, 229];
const HELPERS = ["fusermount", "fusermount3"];
const DIRECTORIES = ["/bin", "/usr/bin", "/usr/local/bin"];

/**
 * `undefined` when the kernel has no FUSE. Only for sandboxes with a user namespace of their own: mounting takes a capability that, in the host's, is
 * as good as all of them.
 */
export function fuseGrant(): FuseGrant | undefined {
  if (!existsSync(DEVICE)) return undefined;
  // With the mode that distributions give the device, whatever this host's is: the kernel checks who mounts.
  return { device: deviceNode("fuse", MAJOR, MINOR), seccomp: seccompFor(DEFAULT_CAPABILITIES, ["mount", "umount", "umount2"]) };
}

/** An image asks for FUSE by what every documented way of using it installs: the program that mounts and unmounts. */
export function asksForFuse(root: string): boolean {
  return DIRECTORIES.some((directory) => HELPERS.some((name) => resolveInRoot(root, `${directory}/${name}`) !== undefined));
}
