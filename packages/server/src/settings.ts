import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { ACCOUNT_LIMITS, type AccountLimits, isErrno, LongshoreError } from "@longshore/contract";
import type { ControlOptions } from "@longshore/control";
import { z } from "zod";
import { edgeSettings } from "./edge-settings.js";
import { registriesSchema } from "./registries.js";

/** A flag holds a list as one text, with commas between. */
function listed(value: unknown): unknown {
  return typeof value === "string" ? value.split(",").map((each) => each.trim()) : value;
}

/** `address`, `ipv4:port` or `[ipv6]:port`. */
function isResolver(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, six, four = "", number] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? [];
  return isIP(six ?? four) !== 0 && Number(number) > 0 && Number(number) <= 65_535;
}

const port = z.number().int().min(0).max(65_535);

/** Everything that an operator can set. Flags win over the configuration file, which wins over these defaults. */
const schema = z.strictObject({
  ...edgeSettings,
  /** Where all state lives; by default as {@link dataDirectory} says. */
  data: z.string(),
  /** Address that the edge, the API and the registry listen on. */
  listen: z.string().default("127.0.0.1"),
  /** Ports; 0 takes any free one. */
  edgePort: port.default(8080),
  apiPort: port.default(8787),
  registryPort: port.default(5000),
  /** Workers are served at `<name>.<domain>`. */
  domain: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, "must be a host name")
    .default("localhost"),
  /** OCI runtime: a path or a name on the PATH. */
  runtime: z.string().default("crun"),
  /** Other OCI runtimes for some applications, by the names that `longshore containers list` shows. */
  runtimes: z.record(z.string().min(1), z.string().min(1)).default({}),
  /** Applications in which containers may be started, such as a rootless Docker, by the names that `longshore containers list` shows. */
  nested: z.array(z.string().min(1)).default([]),
  /** `off` leaves containers in the host's user namespace; `on` gives each user ids of its own, where the machine can. */
  userNamespaces: z.enum(["on", "off"]).default("on"),
  /** Sandboxes kept ready for each container class; absent: by `max_instances` and the machine's free memory. */
  pool: z.number().int().min(0).max(100).optional(),
  /** Seconds that open WebSockets, streams and uploads get before a deploy ends them. */
  drain: z.number().min(0).max(3600).default(10),
  /** Seconds that the new containers of a rollout's step are watched before the next step. */
  rolloutWatch: z.number().min(0).max(86_400).default(10),
  /** What a rollout does when a new container of it fails: stop where it is, go back, or go on. */
  rolloutOnCrash: z.enum(["stop", "revert", "ignore"]).default("stop"),
  /** Seconds that the start of a container waits for another to end, where limits are reached. */
  startWait: z.number().min(0).max(600).default(5),
  /** What all applications' containers may have together: vCPU, memory in GiB, disk in GB. */
  accountVcpu: z.number().positive().default(ACCOUNT_LIMITS.vcpu),
  accountMemoryGib: z
    .number()
    .positive()
    .default(ACCOUNT_LIMITS.memoryMib / 1024),
  accountDiskGb: z
    .number()
    .positive()
    .default(ACCOUNT_LIMITS.diskMb / 1000),
  /** Directory and container snapshots that no container uses are removed after this many days. */
  snapshotDays: z.number().int().min(1).max(3650).default(30),
  /** How many gigabytes (10^9 bytes) the images in the registry may take, each layer counted once. Source: spec 15. */
  imageStorageGb: z.number().int().min(1).max(1_000_000).default(50),
  /** Addresses and networks (CIDR) that containers may reach although they are not on the public Internet. */
  allowOutbound: z.preprocess(listed, z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))).default([]),
  /** Resolvers for containers' names, `address` or `address:port`, in place of those in /etc/resolv.conf. */
  resolvers: z.preprocess(listed, z.array(z.string().refine(isResolver, "must be an IP address, or one with a port")).min(1)).optional(),
  /** Who the server and the Workers' processes run as. A number needs no entry in /etc/passwd. */
  uid: z.number().int().min(0).default(60_737),
  /** What containers are told of their place: `CLOUDFLARE_COUNTRY_A2`, `CLOUDFLARE_LOCATION`, `CLOUDFLARE_REGION`. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, "must be two capital letters (ISO 3166-1)")
    .default("XX"),
  location: z.string().default("local"),
  region: z.string().default("local"),
  /** Registries other than the installation's own, by host: credentials and how to reach them. Only in the configuration file. */
  registries: registriesSchema.default({}),
});

export type Settings = z.infer<typeof schema>;
export type SettingName = keyof Settings;

const checkedSchema = schema.refine(({ tlsCert, tlsKey }) => (tlsCert === undefined) === (tlsKey === undefined), {
  path: ["tlsKey"],
  message: "a certificate and its key are named together",
});

const PATHS = ["data", "tlsCert", "tlsKey", "tlsCertificates", "acmeCa"] as const;

/**
 * Settings from flags and, if one is named, a JSON configuration file with the same names.
 * Errors: `INVALID_INPUT` naming the setting and what it must be.
 */
export function readSettings(flags: Readonly<Record<string, unknown>>, configFile?: string): Settings {
  const fromFile = configFile === undefined ? {} : readConfigFile(configFile);
  const parsed = checkedSchema.safeParse({ data: dataDirectory(undefined), ...fromFile, ...flags });
  if (!parsed.success) {
    throw new LongshoreError("INVALID_INPUT", `A setting is not valid. ${parsed.error.issues.map(problem).join(" ")}`, {
      cause: parsed.error,
      hint: 'See "longshore up --help" for all settings.',
    });
  }
  return { ...parsed.data, ...absolute(parsed.data) };
}

function problem({ path, message }: z.core.$ZodIssue): string {
  return `${path.length === 0 ? "" : `${z.core.toDotPath(path)}: `}${message}.`;
}

export function accountLimits({ accountVcpu, accountMemoryGib, accountDiskGb }: Settings): AccountLimits {
  return { vcpu: accountVcpu, memoryMib: Math.round(accountMemoryGib * 1024), diskMb: Math.round(accountDiskGb * 1000) };
}

/** What the control plane is set to. */
export function controlSettings(settings: Settings): Pick<ControlOptions, "accountLimits" | "rollouts"> {
  const { drain, rolloutWatch, rolloutOnCrash } = settings;
  const rollouts = { drainMs: drain * 1_000, watchMs: rolloutWatch * 1_000, onCrash: rolloutOnCrash };
  return { accountLimits: accountLimits(settings), rollouts };
}

/** Paths as they are meant where the command was given. */
function absolute(settings: Settings): Pick<Settings, (typeof PATHS)[number]> {
  const named = PATHS.flatMap((name) => (settings[name] === undefined ? [] : [[name, resolve(settings[name])] as const]));
  return Object.fromEntries(named) as Pick<Settings, (typeof PATHS)[number]>;
}

/** The data directory that a command of the CLI means: its flag, else the environment, else the default. */
export function dataDirectory(flag: string | undefined, environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(flag ?? environment.LONGSHORE_DATA ?? "/var/lib/longshore");
}

/**
 * Where an installation's sockets are: short, since a socket's path has at most 107 bytes, and gone with a reboot, as what they lead to is.
 */
export function runDirectory(data: string): string {
  return join("/run/longshore", createHash("sha256").update(data).digest("hex").slice(0, 8));
}

function readConfigFile(file: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return content as Record<string, unknown>;
  } catch (cause) {
    const reason = isErrno(cause, "ENOENT") ? "does not exist" : "cannot be read as JSON";
    throw new LongshoreError("INVALID_INPUT", `The configuration file ${file} ${reason}.`, { cause });
  }
  throw new LongshoreError("INVALID_INPUT", `The configuration file ${file} must hold a JSON object.`);
}
