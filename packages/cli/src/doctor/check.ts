/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** False for what only makes things better. */
  readonly required: boolean;
  readonly found: string;
  /** What to do about it; shown when not ok. */
  readonly fix: string;
}
