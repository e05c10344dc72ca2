/** What is known of one kind of sandbox. */
export interface PoolNeed {
  readonly key: string;
  /** As many are kept ready even if nobody has asked of late. */
  readonly least: number;
  /** As many can be used at all. */
  readonly most: number;
  /** The largest burst of late (demand.ts). */
  readonly peak: number;
}

export interface MemoryState {
  readonly totalBytes: number;
  /** What could be used without swapping. */
  readonly availableBytes: number;
  /** Share of the last ten seconds in which somebody waited for memory, in percent; 0 where the kernel does not tell. */
  readonly stalledPercent: number;
}

/** What a waiting sandbox takes, with conmon, its shim and the kernel's side: measured, and rounded up. */
const SANDBOX_BYTES = 4 * 1024 * 1024;
/** This part of the machine is left alone. */
const RESERVE = 0.1;
/** Of what is free beside it, sandboxes that may never be used take at most this part. */
const SHARE = 0.1;
/** A machine that waits for memory so much needs it for something else. */
const STALLED_PERCENT = 5;

/** How many sandboxes may wait on a machine in this state. */
export function poolBudget({ totalBytes, availableBytes, stalledPercent }: MemoryState): number {
  if (stalledPercent >= STALLED_PERCENT) return 0;
  return Math.max(0, Math.floor(((availableBytes - totalBytes * RESERVE) * SHARE) / SANDBOX_BYTES));
}

/**
 * How many of each kind are to wait, `budget` in all: the least of each first, those in demand before the others; then as many as the largest burst of
 * late took, one for each in turn.
 */
export function planPool(needs: readonly PoolNeed[], budget: number): Map<string, number> {
  const inDemand = [...needs].sort((one, other) => other.peak - one.peak);
  const plan = new Map(inDemand.map(({ key }) => [key, 0]));
  let left = budget;
  const grow = (bound: (need: PoolNeed) => number) => {
    for (let grown = true; grown && left > 0; ) {
      grown = false;
      for (const need of inDemand) {
        const depth = plan.get(need.key) ?? 0;
        if (left === 0 || depth >= Math.min(bound(need), need.most)) continue;
        plan.set(need.key, depth + 1);
        left--;
        grown = true;
      }
    }
  };
  grow(({ least }) => least);
  grow(({ least, peak }) => Math.max(least, peak));
  return plan;
}
