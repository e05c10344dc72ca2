import { existsSync } from "node:fs";
import { resolveInRoot } from "../image/root.js";
import { deviceNode } from "../sys/mount-namespace.js";
import { DEFAULT_CAPABILITIES } from "./oci-spec.js";
import { profileForContainersInside, seccompFor } from "./seccomp.js";

/** A device of the host that a container gets besides the usual ones. */
export interface GrantedDevice {
  /** By a name that a container's first process may use. */
  readonly source: string;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * What some sandboxes have besides. Only for those with a user namespace of their own: in the host's, what it takes is as good as being the host's root.
 * `fuse` lets a container mount file systems of its own programs; `nested` lets it start containers, which takes user namespaces below its own.
 */
export interface Grant {
  readonly kind: "fuse" | "nested";
  readonly devices: readonly GrantedDevice[];
  readonly seccomp: Record<string, unknown>;
  /** Ids that the container has, in ranges (id-ranges.ts). */
  readonly idRanges: number;
}

/** What an engine can give. */
export interface Grants {
  readonly fuse?: Grant;
  readonly nested: Grant;
  /** The one that a sandbox gets whatever its image asks for. */
  readonly always?: Grant;
}

const FUSE = { name: "fuse", target: "/dev/fuse", major: 10, minor: 229 };
const TUN = { name: "tun", target: "/dev/net/tun", major: 10, minor: 200 };
const HELPERS = ["fusermount", "fusermount3"];
const DIRECTORIES = ["/bin", "/usr/bin", "/usr/local/bin"];
/** Subordinate ids begin at 100,000 in most images, and are 65,536. */
const NESTED_RANGES = 4;

export function availableGrants(): Grants {
  const [fuse, tun] = [FUSE, TUN].map(({ name, target, major, minor }) =>
    // With the mode that distributions give the device, whatever this host's is: the kernel checks who does what with it.
    existsSync(target) ? [{ source: deviceNode(name, major, minor), target, major, minor }] : [],
  );
  const nested: Grant = {
    kind: "nested",
    devices: [...(fuse ?? []), ...(tun ?? [])],
    seccomp: profileForContainersInside(DEFAULT_CAPABILITIES),
    idRanges: NESTED_RANGES,
  };
  if (fuse === undefined || fuse.length === 0) return { nested };
  return {
    nested,
    fuse: { kind: "fuse", devices: fuse, seccomp: seccompFor(DEFAULT_CAPABILITIES, ["mount", "umount", "umount2"]), idRanges: 1 },
  };
}

/** An image asks for FUSE by what every documented way of using it installs: the program that mounts and unmounts. */
export function asksForFuse(root: string): boolean {
  return DIRECTORIES.some((directory) => HELPERS.some((name) => resolveInRoot(root, `${directory}/${name}`) !== undefined));
}
