import { constants, existsSync } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Settings } from "@longshore/server";
import type { Check } from "./check.js";
import { cgroups, fuse, kernelHas, namespace, overlay, rootDirectory, userNamespaces } from "./kernel.js";

const MIN_FREE_BYTES = 2_000_000_000;
const PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Programs, and the Debian package that brings each. */
const PROGRAMS: readonly { readonly name: string; readonly package: string; readonly required: boolean }[] = [
  { name: "conmon", package: "conmon", required: true },
  { name: "nft", package: "nftables", required: true },
  { name: "tar", package: "tar", required: true },
  { name: "setpriv", package: "util-linux", required: true },
  { name: "zstd", package: "zstd", required: true },
  { name: "buildah", package: "buildah", required: false },
];

/** Looks at everything that Longshore needs of a machine. Changes nothing. */
export async function diagnose(settings: Settings): Promise<Check[]> {
  return [
    nodeVersion(),
    root(),
    ...(await Promise.all([...new Set([settings.runtime, ...Object.values(settings.runtimes)])].map((name) => program(name, name, true)))),
    ...(await Promise.all(PROGRAMS.map((entry) => program(entry.name, entry.package, entry.required)))),
    await staticBusybox(),
    file("seccomp profile", "/usr/share/containers/seccomp.json", "Install it: apt-get install golang-github-containers-common"),
    await overlay(),
    cgroups(),
    await rootDirectory(),
    ...["net", "pid", "mnt", "ipc", "uts"].map(namespace),
    await openFiles(),
    await freeDisk(settings.data),
    await diskLimits(),
    await userNamespaces(),
    fuse(),
  ];
}

function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: "Node.js", ok, required: true, found: process.version, fix: "Install Node.js 20.19 or newer" };
}

function root(): Check {
  const uid = process.getuid?.() ?? -1;
  return { name: "root", ok: uid === 0, required: true, found: `user id ${uid}`, fix: 'Start it as root ("sudo longshore up")' };
}

async function program(name: string, debianPackage: string, required: boolean): Promise<Check> {
  for (const path of name.includes("/") ? [name] : PATH.map((directory) => join(directory, name))) {
    if (await isExecutable(path)) return { name, ok: true, required, found: path, fix: "" };
  }
  const use = required ? "" : " (needed for building Dockerfiles without Docker)";
  return { name, ok: false, required, found: "not installed", fix: `Install it: apt-get install ${debianPackage}${use}` };
}

async function staticBusybox(): Promise<Check> {
  const fix = "Install it: apt-get install busybox-static";
  const path = ["/bin/busybox", "/usr/bin/busybox"].find((candidate) => existsSync(candidate));
  if (path === undefined) return { name: "static busybox", ok: false, required: true, found: "not installed", fix };
  // A static program has no dynamic loader to name.
  const linked = (await readFile(path)).includes("/lib64/ld-linux");
  return { name: "static busybox", ok: !linked, required: true, found: linked ? `${path} is dynamically linked` : path, fix };
}

function file(name: string, path: string, fix: string): Check {
  const ok = existsSync(path);
  return { name, ok, required: true, found: ok ? path : `${path} is not there`, fix };
}

async function openFiles(): Promise<Check> {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(await readFile("/proc/self/limits", "utf8"))?.[1] ?? "unknown";
  return {
    name: "open files",
    ok: hard === "unlimited" || Number(hard) >= 16_384,
    required: false,
    found: `at most ${hard}`,
    fix: "Raise it (ulimit -n, LimitNOFILE=) to run hundreds of containers",
  };
}

async function freeDisk(data: string): Promise<Check> {
  const existing = nearestExisting(data);
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  return {
    name: "free disk",
    ok: free >= MIN_FREE_BYTES,
    required: false,
    found: `${(free / 1e9).toFixed(1)} GB under ${existing}`,
    fix: "Free some space, or name another --data",
  };
}

/** What the engine makes a container's disk of. Without it containers run, and share the host's disk. */
async function diskLimits(): Promise<Check> {
  const missing = [
    ...(existsSync("/dev/loop-control") ? [] : ["loop devices (modprobe loop)"]),
    ...((await kernelHas("ext4")) ? [] : ["ext4 in the kernel (modprobe ext4)"]),
    ...((await program("mkfs.ext4", "e2fsprogs", false)).ok ? [] : ["mkfs.ext4 (apt-get install e2fsprogs)"]),
  ];
  return {
    name: "disk limits",
    ok: missing.length === 0,
    required: false,
    found: missing.length === 0 ? "each container gets a disk of its instance type's size" : `no ${missing.join(", no ")}`,
    fix: "Until then a container can fill this machine's disk",
  };
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
