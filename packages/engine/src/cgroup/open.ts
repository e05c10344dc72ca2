import { existsSync } from "node:fs";
import type { CgroupTree } from "./cgroup.js";
import { CgroupVersion1 } from "./version-1.js";
import { CgroupVersion2 } from "./version-2.js";

/**
 * The one place that chooses by what the host has. `parent` is one path segment, for example `longshore-1a2b3c4d`.
 * Errors: `UNAVAILABLE` when the host's tree cannot be used.
 */
export function openCgroups(parent: string): CgroupTree {
  return existsSync("/sys/fs/cgroup/cgroup.controllers") ? new CgroupVersion2(parent) : new CgroupVersion1(parent);
}
