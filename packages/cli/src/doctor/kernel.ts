import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Check } from "./check.js";

const CGROUPS = "/sys/fs/cgroup";
const CONTROLLERS = ["cpu", "memory", "pids"];
const PROBE_DEADLINE_MS = 5_000;

/** True when the kernel has a file system, or a module that it loads with the first mount. */
export async function kernelHas(fileSystem: string, modules = join("/lib/modules", release())): Promise<boolean> {
  const lists = ["/proc/filesystems", join(modules, "modules.dep"), join(modules, "modules.builtin")];
  const texts = await Promise.all(lists.map((path) => readFile(path, "utf8").catch(() => "")));
  const loaded = new RegExp(`\\b${fileSystem}$`, "m");
  const loadable = new RegExp(`/${fileSystem}\\.ko(\\.\\w+)?(:|$)`, "m");
  return texts.some((text, index) => (index === 0 ? loaded : loadable).test(text));
}

export async function overlay(): Promise<Check> {
  const ok = await kernelHas("overlay");
  return {
    name: "overlay file system",
    ok,
    required: true,
    found: ok ? "in the kernel" : "not in the kernel",
    fix: "Use a kernel that has it; in a container, load it in the machine around: modprobe overlay",
  };
}

export function cgroups(mount = CGROUPS): Check {
  const version = existsSync(join(mount, "cgroup.controllers")) ? 2 : existsSync(join(mount, "memory")) ? 1 : 0;
  const missing = CONTROLLERS.filter((name) => !hasController(mount, version, name));
  return {
    name: "cgroups",
    ok: version > 0 && missing.length === 0,
    required: true,
    found: version === 0 ? "no memory controller" : `version ${version}${missing.length > 0 ? ` without ${missing.join(", ")}` : ""}`,
    fix:
      version === 0
        ? "Mount cgroup2 on /sys/fs/cgroup"
        : 'Boot without "cgroup_disable=" (on a Raspberry Pi with "cgroup_enable=memory"), or give them to the container that Longshore runs in',
  };
}

function hasController(mount: string, version: 0 | 1 | 2, name: string): boolean {
  if (version !== 2) return existsSync(join(mount, name));
  return readFileSync(join(mount, "cgroup.controllers"), "utf8").trim().split(" ").includes(name);
}

export function namespace(kind: string): Check {
  const ok = existsSync(`/proc/self/ns/${kind}`);
  return {
    name: `${kind} namespaces`,
    ok,
    required: true,
    found: ok ? "in the kernel" : "not in the kernel",
    fix: "Use a kernel with namespaces enabled",
  };
}

/**
 * A plain chroot is refused: the OCI runtime cannot change a container's root there, and what enters a container's mount namespace finds itself outside
 * of the chroot.
 */
export async function rootDirectory(): Promise<Check> {
  const outside = await isChroot();
  return {
    name: "root directory",
    ok: !outside,
    required: true,
    found: outside ? "this is a chroot" : "that of the mount namespace",
    fix: "Run Longshore outside of the chroot, or enter it with a program that changes the root for good (systemd-nspawn, a container)",
  };
}

async function isChroot(): Promise<boolean> {
  try {
    // Whoever enters a mount namespace, be it its own, gets the root that the namespace has.
    const { stdout } = await promisify(execFile)("nsenter", ["--mount=/proc/self/ns/mnt", "stat", "-c", "%d %i", "/"], {
      timeout: PROBE_DEADLINE_MS,
    });
    const { dev, ino } = statSync("/");
    return stdout.trim() !== `${dev} ${ino}`;
  } catch {
    // Not root: another check says so.
    return false;
  }
}

/** Without them containers run, and root in one is the host's root with less capabilities. */
export async function userNamespaces(): Promise<Check> {
  const most = Number(await readFile("/proc/sys/user/max_user_namespaces", "utf8").catch(() => "0"));
  const [major = 0, minor = 0] = release().split(".").map(Number);
  const recent = major > 5 || (major === 5 && minor >= 19);
  const missing = !recent ? `Linux ${release()}` : "no user namespaces (user.max_user_namespaces is 0)";
  return {
    name: "user namespaces",
    ok: recent && most > 0,
    required: false,
    found: recent && most > 0 ? "each container gets user ids of its own" : missing,
    fix: "They need Linux 5.19 or newer, and sysctl user.max_user_namespaces above 0. Until then root in a container is the host's root, confined",
  };
}

export function fuse(): Check {
  const ok = existsSync("/dev/fuse");
  return {
    name: "FUSE",
    ok,
    required: false,
    found: ok ? "/dev/fuse" : "no /dev/fuse",
    fix: "For containers that mount FUSE file systems: modprobe fuse",
  };
}
