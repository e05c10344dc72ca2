/** What is known of a host's certificate. Times in milliseconds since 1970. */
export interface HostState {
  /** Of the certificate that is there. */
  readonly validity?: { readonly from: number; readonly to: number };
  /** Failures since the last success, and when the last one was. */
  readonly failures: number;
  readonly failedAt: number;
}

export const NEW_HOST: HostState = { failures: 0, failedAt: 0 };

/** The usual authority allows five failures an hour for a host. */
const FIRST_PAUSE_MS = 5 * 60_000;
const LONGEST_PAUSE_MS = 6 * 3_600_000;
/** A certificate is renewed when this share of its life is over. */
const RENEW_AFTER = 2 / 3;

/** When a certificate should be asked for: at once without one, in good time before its end, and later after each failure. */
export function dueAt({ validity, failures, failedAt }: HostState): number {
  const wanted = validity === undefined ? 0 : validity.from + (validity.to - validity.from) * RENEW_AFTER;
  if (failures === 0) return wanted;
  return Math.max(wanted, failedAt + Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS));
}
