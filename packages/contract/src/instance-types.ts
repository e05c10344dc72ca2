import { LongshoreError } from "./errors.js";

/** What one container instance gets: CPU in cores, memory in MiB, disk in MB (10^6 bytes, as the public documentation counts). */
export interface InstanceSize {
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly diskMb: number;
}

/** What all live instances of the account may have together; the most, where nobody sets less. Source: spec 15. */
export type AccountLimits = InstanceSize;
export const ACCOUNT_LIMITS: AccountLimits = { vcpu: 1500, memoryMib: 6 * 1024 * 1024, diskMb: 30_000_000 };

/** The predefined instance types. Source: spec 15, limits and instance types. */
export const INSTANCE_TYPES: Readonly<Record<string, InstanceSize>> = {
  lite: { vcpu: 0.0625, memoryMib: 256, diskMb: 2000 },
  basic: { vcpu: 0.25, memoryMib: 1024, diskMb: 4000 },
  "standard-1": { vcpu: 0.5, memoryMib: 4096, diskMb: 8000 },
  "standard-2": { vcpu: 1, memoryMib: 6144, diskMb: 12000 },
  "standard-3": { vcpu: 2, memoryMib: 8192, diskMb: 16000 },
  "standard-4": { vcpu: 4, memoryMib: 12288, diskMb: 20000 },
  // Aliases that the documentation keeps for older configurations.
  dev: { vcpu: 0.0625, memoryMib: 256, diskMb: 2000 },
  standard: { vcpu: 0.5, memoryMib: 4096, diskMb: 8000 },
};

/** The size behind a name. Errors: `INVALID_INPUT` for a name that is not an instance type. */
export function instanceSize(name: string): InstanceSize {
  const size = Object.hasOwn(INSTANCE_TYPES, name) ? INSTANCE_TYPES[name] : undefined;
  if (size === undefined) {
    throw new LongshoreError("INVALID_INPUT", `"${name}" is not an instance type.`, {
      hint: `Use one of ${Object.keys(INSTANCE_TYPES).join(", ")}.`,
    });
  }
  return size;
}
