import { ACCOUNT_LIMITS, type AccountLimits, type InstanceSize, LongshoreError } from "@longshore/contract";
import { NO_INSTANCE } from "./admission.js";

/** What all applications' containers together may have, and have. A size is what its instance type promises, used or not. */
export class Totals {
  readonly #limits: AccountLimits;
  readonly #live: () => Iterable<InstanceSize>;

  /** `live`: the sizes of all that run or start. */
  constructor(limits: AccountLimits = ACCOUNT_LIMITS, live: () => Iterable<InstanceSize>) {
    this.#limits = limits;
    this.#live = live;
  }

  /** Errors: `LIMIT_REACHED` when there is no room for one more of this size. */
  requireRoom(size: InstanceSize): void {
    const sum = { ...size };
    for (const each of this.#live()) {
      sum.vcpu += each.vcpu;
      sum.memoryMib += each.memoryMib;
      sum.diskMb += each.diskMb;
    }
    for (const [key, unit] of UNITS) {
      if (sum[key] <= this.#limits[key]) continue;
      throw new LongshoreError(
        "LIMIT_REACHED",
        `${NO_INSTANCE}: with it, all containers that run would have ${sum[key]} ${unit}, and may have ${this.#limits[key]}.`,
        { hint: "Let instances sleep sooner, or have the installation's owner raise the account's limits (longshore up --help)." },
      );
    }
  }
}

const UNITS = [
  ["vcpu", "vCPU"],
  ["memoryMib", "MiB of memory"],
  ["diskMb", "MB of disk"],
] as const;
