import { type InstanceSize, LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { ImageConfig } from "../image/types.js";
import type { OwnRun, PublishedPort } from "./run.js";

const strings = z.array(z.string()).nullish();
const text = z.string().nullish();
const number = z.number().nullish();
const flag = z.boolean().nullish();

const hostConfig = z.looseObject({
  AutoRemove: flag,
  Memory: number,
  NanoCpus: number,
  CpuQuota: number,
  CpuPeriod: number,
  PublishAllPorts: flag,
  PortBindings: z.record(z.string(), z.array(z.object({ HostIp: text, HostPort: text })).nullish()).nullish(),
  StorageOpt: z.record(z.string(), z.string()).nullish(),
  NetworkMode: text,
  RestartPolicy: z.looseObject({ Name: text }).nullish(),
});

const createBody = z.looseObject({
  Image: z.string().min(1),
  Cmd: strings,
  Entrypoint: strings,
  Env: strings,
  User: text,
  WorkingDir: text,
  Hostname: text,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  StopSignal: text,
  StopTimeout: number,
  Labels: z.record(z.string(), z.string()).nullish(),
  ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
  HostConfig: hostConfig.nullish(),
});

export type CreateBody = z.infer<typeof createBody>;
type HostConfig = z.infer<typeof hostConfig>;

/** Fields of HostConfig that ask for more than a container gets here, and the option that sets them. Ignoring one would be a lie. */
const REFUSED: Readonly<Record<string, string>> = {
  Binds: "--volume",
  Mounts: "--mount",
  VolumesFrom: "--volumes-from",
  Tmpfs: "--tmpfs",
  Privileged: "--privileged",
  CapAdd: "--cap-add",
  CapDrop: "--cap-drop",
  Devices: "--device",
  DeviceRequests: "--gpus",
  SecurityOpt: "--security-opt",
  ReadonlyRootfs: "--read-only",
  Links: "--link",
  Dns: "--dns",
  ExtraHosts: "--add-host",
  GroupAdd: "--group-add",
  Sysctls: "--sysctl",
  Ulimits: "--ulimit",
  CpusetCpus: "--cpuset-cpus",
  PidMode: "--pid",
  UTSMode: "--uts",
  UsernsMode: "--userns",
};

const MIB = 1024 * 1024;
const MIN_MEMORY_MIB = 16;
const DEFAULT_PERIOD = 100_000;
const DEFAULT_STOP_S = 10;

/** Errors: `INVALID_INPUT`; `UNSUPPORTED` names the option that containers here do not have. */
export function parseCreateBody(body: unknown): CreateBody {
  const parsed = createBody.safeParse(body);
  if (!parsed.success) {
    throw new LongshoreError("INVALID_INPUT", `The container cannot be created: ${z.prettifyError(parsed.error)}`, { cause: parsed.error });
  }
  const host: HostConfig = parsed.data.HostConfig ?? {};
  for (const [field, option] of Object.entries(REFUSED)) if (asksFor(host[field])) throw refused(option);
  const network = host.NetworkMode ?? "default";
  if (!["default", "bridge", ""].includes(network)) throw refused(`--network ${network}`);
  const restart = host.RestartPolicy?.Name ?? "no";
  if (!["no", ""].includes(restart)) throw refused(`--restart ${restart}`);
  return parsed.data;
}

/** What a create asks for, on top of what the image says. `size` is what it did not ask for too. */
export function runOf(body: CreateBody, image: ImageConfig, size: InstanceSize): OwnRun {
  const entrypoint = body.Entrypoint ?? [];
  const replaced = entrypoint.length > 0;
  const command = body.Cmd ?? [];
  const terminal = body.Tty === true;
  const own = (value: string | null | undefined) => (value === null || value === "" ? undefined : value);
  const optional = { hostname: own(body.Hostname), user: own(body.User), workingDirectory: own(body.WorkingDir) };
  return {
    image: body.Image,
    terminal,
    console: { terminal, stdin: body.OpenStdin === true, stdinOnce: body.StdinOnce === true },
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    // As Docker has it: another entrypoint does not go with the image's command.
    entrypoint: replaced ? entrypoint.filter((word, at) => at > 0 || word !== "") : image.entrypoint,
    command: command.length > 0 || replaced ? command : image.command,
    environment: body.Env ?? [],
    labels: body.Labels ?? {},
    autoRemove: body.HostConfig?.AutoRemove === true,
    stopSignal: own(body.StopSignal) ?? "SIGTERM",
    stopGraceMs: (body.StopTimeout ?? DEFAULT_STOP_S) * 1000,
    ports: publishedPorts(body, image),
    size,
  };
}

/** The limits that a create asks for. Errors: `INVALID_INPUT`. */
export function askedSize({ HostConfig: host }: CreateBody): Partial<InstanceSize> {
  const quota = host?.CpuQuota ?? 0;
  const vcpu = host?.NanoCpus ? host.NanoCpus / 1e9 : quota > 0 ? quota / (host?.CpuPeriod || DEFAULT_PERIOD) : undefined;
  const memoryMib = host?.Memory ? Math.floor(host.Memory / MIB) : undefined;
  const disk = host?.StorageOpt?.size;
  if (memoryMib !== undefined && memoryMib < MIN_MEMORY_MIB) {
    throw new LongshoreError("INVALID_INPUT", `${memoryMib} MiB of memory are too few.`, { hint: `Give at least ${MIN_MEMORY_MIB}m.` });
  }
  return {
    ...(vcpu === undefined ? {} : { vcpu }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(disk === undefined ? {} : { diskMb: megabytes(disk) }),
  };
}

function megabytes(text: string): number {
  const match = /^(\d+)([mgMG])?[bB]?$/.exec(text);
  if (match === null) throw new LongshoreError("INVALID_INPUT", `"${text}" is not a size of a disk.`, { hint: "Write it as 500M or 10G." });
  const unit = match[2]?.toLowerCase();
  return Math.max(1, Math.ceil((Number(match[1]) * (unit === "g" ? 1e9 : unit === "m" ? 1e6 : 1)) / 1e6));
}

function publishedPorts({ HostConfig: host, ExposedPorts }: CreateBody, image: ImageConfig): PublishedPort[] {
  const ports = Object.entries(host?.PortBindings ?? {}).flatMap(([port, bindings]) =>
    (bindings ?? []).map(({ HostIp, HostPort }) => ({
      containerPort: tcpPort(port),
      hostIp: HostIp || "0.0.0.0",
      hostPort: hostPort(HostPort || "0"),
    })),
  );
  if (host?.PublishAllPorts !== true) return ports;
  const exposed = new Set([...image.exposedPorts, ...Object.keys(ExposedPorts ?? {})].map(tcpPort));
  const others = [...exposed].filter((port) => !ports.some(({ containerPort }) => containerPort === port));
  return [...ports, ...others.map((containerPort) => ({ containerPort, hostIp: "0.0.0.0", hostPort: 0 }))];
}

function tcpPort(text: string): number {
  const [port, protocol = "tcp"] = text.split("/");
  if (protocol !== "tcp") throw refused(`--publish ${text}`);
  return hostPort(port ?? "");
}

function hostPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new LongshoreError("INVALID_INPUT", `"${text}" is not a port.`);
}

/** A value other than what clients send for an option that was not given. */
function asksFor(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== "";
}

function refused(option: string): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `Containers here have no ${option}: they are isolated as applications' are.`, {
    hint: "Leave it out. Files get in and out with docker cp, ports with --publish.",
  });
}
