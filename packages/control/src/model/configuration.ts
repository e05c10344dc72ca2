import { type AccountLimits, INSTANCE_TYPES, type InstanceSize, instanceSize } from "@longshore/contract";
import { z } from "zod";
import { ContainersError } from "../api/errors.js";
import { assertShellFields, SHELL_FIELDS } from "./shell-keys.js";

/** What a container is configured with, as uploaded: only what is served has a type here. */
export const configurationInput = z.looseObject({
  image: z.string(),
  instance_type: z.string().nullish(),
  vcpu: z.number().nullish(),
  memory_mib: z.number().nullish(),
  disk: z.looseObject({ size_mb: z.number().nullish() }).nullish(),
});

export type ConfigurationInput = z.infer<typeof configurationInput>;

/** A configuration that says only what is to be different. */
export const configurationChange = configurationInput.partial();
export type ConfigurationChange = z.infer<typeof configurationChange>;

/** A configuration with its size worked out; what else the client sent is kept for it to read back. */
export interface Configuration extends Readonly<Record<string, unknown>> {
  /** As the client named it. */
  readonly image: string;
  readonly vcpu: number;
  readonly memory_mib: number;
  readonly disk: { readonly size_mb: number };
}

/** Kept and shown; they have no effect on what runs. */
const INERT = new Set(["observability", "labels", "experimental_flags"]);
const SIZE_KEYS = new Set(["image", "instance_type", "vcpu", "memory_mib", "disk"]);

/** Limits of a custom instance type. Source: spec 15. */
const CUSTOM = {
  minVcpu: 1,
  maxVcpu: 4,
  maxMemoryMib: 12 * 1024,
  maxDiskMb: 20_000,
  minMemoryMibPerVcpu: 3 * 1024,
  maxDiskMbPerMemoryGib: 2_000,
};

export const LARGEST: InstanceSize = { vcpu: CUSTOM.maxVcpu, memoryMib: CUSTOM.maxMemoryMib, diskMb: CUSTOM.maxDiskMb };

/** Works out the size and refuses what is not served. Errors: `VALIDATE_INPUT`, `SURPASSED_BASE_LIMITS`, by field. */
export function resolveConfiguration(input: ConfigurationInput): Configuration {
  assertServed(input);
  const size = resolveSize(input);
  const inert = Object.fromEntries(Object.entries(input).filter(([key]) => !SIZE_KEYS.has(key)));
  return { ...inert, image: input.image, vcpu: size.vcpu, memory_mib: size.memoryMib, disk: { size_mb: size.diskMb } };
}

/** Errors: `SURPASSED_TOTAL_LIMITS` when as many instances could never run together. */
export function assertWithinTotals(configuration: Configuration, maxInstances: number, limits: AccountLimits): void {
  const { vcpu, memoryMib, diskMb } = sizeOf(configuration);
  const surpassed: Record<string, string> = {};
  const check = (field: string, each: number, limit: number, unit: string): void => {
    if (each * maxInstances <= limit) return;
    surpassed[field] = `${maxInstances} instances with ${each} ${unit} each have more than ${limit} ${unit}, the account's limit.`;
  };
  check("vcpu", vcpu, limits.vcpu, "vCPU");
  check("memory_mib", memoryMib, limits.memoryMib, "MiB");
  check("disk", diskMb, limits.diskMb, "MB");
  if (Object.keys(surpassed).length === 0) return;
  throw new ContainersError("SURPASSED_TOTAL_LIMITS", surpassed, { hint: "Lower max_instances, or choose a smaller instance_type." });
}

export function sizeOf(configuration: Configuration): InstanceSize {
  return { vcpu: configuration.vcpu, memoryMib: configuration.memory_mib, diskMb: configuration.disk.size_mb };
}

function resolveSize(input: ConfigurationInput): InstanceSize {
  const custom = { vcpu: input.vcpu ?? undefined, memoryMib: input.memory_mib ?? undefined, diskMb: input.disk?.size_mb ?? undefined };
  const isCustom = custom.vcpu !== undefined || custom.memoryMib !== undefined || custom.diskMb !== undefined;
  if (typeof input.instance_type === "string") {
    if (isCustom) {
      throw new ContainersError("VALIDATE_INPUT", {
        instance_type: "cannot be given together with vcpu, memory_mib or disk: choose one way.",
      });
    }
    return namedSize(input.instance_type);
  }
  const lite = instanceSize("lite");
  if (!isCustom) return lite;
  const size = { vcpu: custom.vcpu ?? lite.vcpu, memoryMib: custom.memoryMib ?? lite.memoryMib, diskMb: custom.diskMb ?? lite.diskMb };
  // Clients write a predefined type out as its three numbers, and some of those are smaller than a custom type may be.
  if (!isPredefined(size)) assertCustomSize(size);
  return size;
}

function namedSize(name: string): InstanceSize {
  if (!Object.hasOwn(INSTANCE_TYPES, name)) {
    const names = Object.keys(INSTANCE_TYPES).join(", ");
    throw new ContainersError("VALIDATE_INPUT", { instance_type: `"${name}" is not an instance type; use one of ${names}.` });
  }
  return instanceSize(name);
}

function isPredefined(size: InstanceSize): boolean {
  return Object.values(INSTANCE_TYPES).some(
    (each) => each.vcpu === size.vcpu && each.memoryMib === size.memoryMib && each.diskMb === size.diskMb,
  );
}

function assertCustomSize(size: InstanceSize): void {
  const broken = Object.entries({ memory_mib: size.memoryMib, disk: size.diskMb }).filter(([, value]) => !Number.isInteger(value));
  if (broken.length > 0) {
    throw new ContainersError(
      "VALIDATE_INPUT",
      Object.fromEntries(broken.map(([field, value]) => [field, `${value} is not a whole number.`])),
    );
  }
  const surpassed: Record<string, string> = {};
  if (size.vcpu > CUSTOM.maxVcpu) surpassed.vcpu = `${size.vcpu} is more than ${CUSTOM.maxVcpu}, the most that an instance can have.`;
  if (size.memoryMib > CUSTOM.maxMemoryMib) {
    surpassed.memory_mib = `${size.memoryMib} is more than ${CUSTOM.maxMemoryMib}, the most that an instance can have.`;
  }
  if (size.diskMb > CUSTOM.maxDiskMb)
    surpassed.disk = `${size.diskMb} MB is more than ${CUSTOM.maxDiskMb}, the most that an instance can have.`;
  if (Object.keys(surpassed).length > 0) throw new ContainersError("SURPASSED_BASE_LIMITS", surpassed);

  const wrong: Record<string, string> = {};
  if (size.vcpu < CUSTOM.minVcpu) {
    wrong.vcpu = `${size.vcpu} is less than ${CUSTOM.minVcpu}, the least of a custom instance type; smaller ones are lite, basic and standard-1.`;
  }
  const leastMemory = size.vcpu * CUSTOM.minMemoryMibPerVcpu;
  if (size.memoryMib < leastMemory) {
    wrong.memory_mib = `${size.memoryMib} is less than ${leastMemory}: ${CUSTOM.minMemoryMibPerVcpu} MiB are needed per vCPU.`;
  }
  const mostDisk = (size.memoryMib / 1024) * CUSTOM.maxDiskMbPerMemoryGib;
  if (size.diskMb <= 0) wrong.disk = `${size.diskMb} MB is no disk.`;
  if (size.diskMb > mostDisk) {
    wrong.disk = `${size.diskMb} MB is more than ${Math.floor(mostDisk)}: at most ${CUSTOM.maxDiskMbPerMemoryGib} MB per GiB of memory.`;
  }
  if (Object.keys(wrong).length > 0) throw new ContainersError("VALIDATE_INPUT", wrong);
}

function assertServed(input: ConfigurationInput): void {
  assertShellFields(input);
  for (const [key, value] of Object.entries(input)) {
    if (SIZE_KEYS.has(key) || INERT.has(key) || SHELL_FIELDS.has(key) || isInert(value)) continue;
    throw new ContainersError(
      "VALIDATE_INPUT",
      { [key]: `configuration.${key} is not served by Longshore yet.` },
      { hint: "Take it out of the container's configuration and deploy again." },
    );
  }
}

function isInert(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
