import type { InstanceSize } from "@longshore/contract";
import type { Identity } from "../image/user.js";
import type { Grant } from "./grants.js";
import type { IdRange } from "./id-ranges.js";
import { SHIM_FILES, SHIM_SCRIPT } from "./late-command.js";
import type { Bind } from "./root-filesystem.js";

/** What an unprivileged service may do: the set that Docker gives by default. */
export const DEFAULT_CAPABILITIES = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
] as const;

const MASKED = ["acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi"];
const READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
/** The kernel lets a container mount a /proc for the containers inside it only where its own is not covered in any place. */
const COVERED = {
  maskedPaths: [...MASKED.map((name) => `/proc/${name}`), "/sys/firmware", "/sys/devices/virtual/powercap"],
  readonlyPaths: READ_ONLY.map((name) => `/proc/${name}`),
};
const MIB = 1024 * 1024;
/** Enough for any service, few enough that a fork bomb stays in its cgroup. */
const PIDS_LIMIT = 4096;

export interface SpecInput {
  readonly rootDirectory: string;
  /** Host directory that appears as `/.longshore`: the shim and its fifo. */
  readonly shimDirectory: string;
  /** Host directory that appears in it as `late`. What is there rests in memory: environments hold secrets. */
  readonly lateDirectory: string;
  /** Absent: no user namespace of its own. */
  readonly ids: IdRange | undefined;
  /** Host directories that appear in the container, writable. */
  readonly binds: readonly Bind[];
  /** Host files that appear as `/etc/<name>`. */
  readonly etcFiles: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly terminal: boolean;
  readonly identity: Identity;
  readonly workingDirectory: string;
  readonly cgroupPath: string;
  readonly size: InstanceSize;
  readonly limitSwap: boolean;
  /** Whether the kernel can end all processes of a container together when its memory runs out. */
  readonly endTogether: boolean;
  readonly openFiles: number;
  readonly seccomp: Record<string, unknown>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly grant: Grant | undefined;
}

/** Waits to be told the command: environment and arguments arrive late (late-command.ts). */
const SHIM_COMMAND = ["/.longshore/busybox", "sh", "-c", SHIM_SCRIPT];

/**
 * The OCI runtime configuration of a sandbox. CPU has no quota yet: it is applied when the application answers (cgroup/cgroup.ts), so that
 * starting is not throttled to a sixteenth of a core.
 */
export function ociSpec(input: SpecInput): Record<string, unknown> {
  const { identity, grant } = input;
  return {
    ociVersion: "1.0.2",
    hostname: input.hostname,
    root: { path: input.rootDirectory, readonly: false },
    process: {
      terminal: input.terminal,
      user: { uid: identity.uid, gid: identity.gid, additionalGids: identity.groups },
      args: SHIM_COMMAND,
      env: [],
      cwd: input.workingDirectory,
      // Whoever is not root mounts by a program with the setuid bit, which leads to the container's root and no further.
      noNewPrivileges: grant === undefined || (grant.kind === "fuse" && identity.uid === 0),
      capabilities: capabilities(identity.uid, grant),
      rlimits: [{ type: "RLIMIT_NOFILE", hard: input.openFiles, soft: input.openFiles }],
      oomScoreAdj: 100,
    },
    mounts: mounts(input),
    annotations: input.annotations,
    linux: {
      cgroupsPath: input.cgroupPath,
      ...namespaces(input.ids),
      resources: {
        memory: memory(input),
        pids: { limit: PIDS_LIMIT },
        devices: [
          { allow: false, access: "rwm" },
          ...(grant?.devices ?? []).map(({ major, minor }) => ({ allow: true, type: "c", major, minor, access: "rw" })),
        ],
        // An instance that is out of memory is restarted (spec 22): half of one would go on in a state that nobody has tested.
        ...(input.endTogether ? { unified: { "memory.oom.group": "1" } } : {}),
      },
      seccomp: input.seccomp,
      ...(grant?.kind === "nested" ? {} : COVERED),
    },
  };
}

function namespaces(ids: IdRange | undefined) {
  const own = ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type }));
  if (ids === undefined) return { namespaces: own };
  const mappings = [{ containerID: 0, hostID: ids.base, size: ids.size }];
  return { namespaces: [...own, { type: "user" }], uidMappings: mappings, gidMappings: mappings };
}

function capabilities(uid: number, grant: Grant | undefined) {
  // In a user namespace of its own: it may mount what the kernel lets anybody mount. Its root stays where it is: the engine's way to its files begins there.
  const all =
    grant === undefined
      ? [...DEFAULT_CAPABILITIES]
      : [...DEFAULT_CAPABILITIES.filter((name) => grant.kind === "nested" || name !== "CAP_SYS_CHROOT"), "CAP_SYS_ADMIN"];
  // Only root starts with them in hand; others could gain them through file capabilities alone, which noNewPrivileges forbids.
  const inHand = uid === 0 ? all : [];
  return { bounding: all, permitted: inHand, effective: inHand, inheritable: [], ambient: [] };
}

/** Memory without swap, as the documentation's instance types mean it. */
function memory({ size, limitSwap }: SpecInput) {
  const limit = size.memoryMib * MIB;
  return limitSwap ? { limit, swap: limit } : { limit };
}

function mounts(input: SpecInput) {
  const quiet = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...quiet, "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    ...(input.grant?.devices ?? []).map(({ source, target }) => ({
      destination: target,
      type: "bind",
      source,
      options: ["bind", "nosuid", "noexec"],
    })),
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
    // Runtimes inside look there for what they may use; it is nothing, and they go on.
    ...(input.grant?.kind === "nested"
      ? [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...quiet, "ro"] }]
      : []),
    ...input.binds.map(({ source, target }) => ({ destination: target, type: "bind", source, options: ["bind", "nosuid", "nodev"] })),
    { destination: "/.longshore", type: "bind", source: input.shimDirectory, options: ["bind", "ro", "nosuid", "nodev"] },
    {
      destination: `/.longshore/${SHIM_FILES.late}`,
      type: "bind",
      source: input.lateDirectory,
      options: ["bind", "ro", "nosuid", "nodev"],
    },
    ...Object.entries(input.etcFiles).map(([name, source]) => ({
      destination: `/etc/${name}`,
      type: "bind",
      source,
      options: ["bind", "nosuid", "nodev", "noexec"],
    })),
  ];
}
