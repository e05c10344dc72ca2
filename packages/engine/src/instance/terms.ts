import { createHash } from "node:crypto";
import { LongshoreError } from "@longshore/contract";

/** What a container's life depends on, beside its program. */
export interface Terms {
  /** What create was asked for, as a fingerprint: the same for two requests exactly if they ask for the same. */
  readonly requested?: string;
  /** It is killed this many milliseconds after its start, whatever it does. */
  readonly hardTimeoutMs?: number;
  /** Its class says, when it is asked, what becomes of a request that the container makes (`egress/permission.ts`). */
  readonly answersOutbound?: true;
}

/**
 * How long a container may run, from its start, whatever it does: milliseconds. A variable, because workerd takes a `hardTimeout` of
 * `ctx.container.start` and has no way to pass it on. The program does not see it.
 */
const HARD_TIMEOUT = "LONGSHORE_HARD_TIMEOUT_MS=";
/** Of a class that answers. A variable as well: what is registered with workerd by name is not told to the engine once everything is intercepted. */
const ANSWERS_OUTBOUND = "LONGSHORE_ANSWERS_OUTBOUND=";

/** The request with its terms, and without the variables that only say these. Errors: `INVALID_INPUT` when the hard timeout is no number. */
export function withTerms<T extends { readonly environment: readonly string[] }>(request: T): T & Terms {
  const requested = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  const isOurs = (pair: string) => pair.startsWith(HARD_TIMEOUT) || pair.startsWith(ANSWERS_OUTBOUND);
  const environment = request.environment.filter((pair) => !isOurs(pair));
  const answers = request.environment.some((pair) => pair.startsWith(ANSWERS_OUTBOUND)) ? { answersOutbound: true as const } : {};
  const text = request.environment.findLast((pair) => pair.startsWith(HARD_TIMEOUT))?.slice(HARD_TIMEOUT.length);
  if (text === undefined) return { ...request, requested, ...answers, environment };
  const hardTimeoutMs = Number(text);
  if (!Number.isSafeInteger(hardTimeoutMs) || hardTimeoutMs <= 0) {
    throw new LongshoreError("INVALID_INPUT", `The hard timeout "${text}" is not a number of milliseconds.`, {
      hint: "Give a whole number greater than 0.",
    });
  }
  return { ...request, requested, hardTimeoutMs, ...answers, environment };
}

/** The terms alone, for the record. */
export function termsOf({ requested, hardTimeoutMs, answersOutbound }: Terms): Terms {
  return {
    ...(requested === undefined ? {} : { requested }),
    ...(hardTimeoutMs === undefined ? {} : { hardTimeoutMs }),
    ...(answersOutbound === undefined ? {} : { answersOutbound }),
  };
}
