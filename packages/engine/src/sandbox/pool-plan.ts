/** What is known of one kind of sandbox. */
export interface PoolNeed {
  readonly key: string;
  /** As many are kept ready even if nobody has asked of late. */
  readonly least: number;
  /** As many can be used at all. */
  readonly most: number;
  /** As many more can start now. */
  readonly room: number;
  /** Whether so many may wait before anybody asks. */
  readonly ahead: boolean;
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

/** How many sandboxes may wait, all kinds together. */
export interface PoolBudget {
  readonly most: number;
  /** As many as that wait where nothing has announced a demand. */
  readonly ahead: number;
}

/** How many sandboxes of each kind are to wait. */
export interface PoolPlan {
  /** The few that always wait, and those that starts of late ask for. */
  readonly asked: ReadonlyMap<string, number>;
  /** These, and those that nobody has asked for yet. */
  readonly all: ReadonlyMap<string, number>;
}

/** What a waiting sandbox takes, with conmon, its shim and the kernel's side: measured, and rounded up. */
const SANDBOX_BYTES = 4 * 1024 * 1024;
/** This part of the machine is left alone. */
const RESERVE = 0.1;
/** Of what is free beside it, sandboxes that may never be used take at most this part; */
const SHARE = 0.1;
/** and this part, while nobody has asked for them. */
const SHARE_AHEAD = 0.02;
/** More would be a crowd of processes for a burst that may never come. */
const MOST_AHEAD = 64;
/** A machine that waits for memory so much needs it for something else. */
const STALLED_PERCENT = 5;

/** How many sandboxes may wait on a machine in this state. */
export function poolBudget({ totalBytes, availableBytes, stalledPercent }: MemoryState): PoolBudget {
  if (stalledPercent >= STALLED_PERCENT) return { most: 0, ahead: 0 };
  const fitting = (share: number) => Math.max(0, Math.floor(((availableBytes - totalBytes * RESERVE) * share) / SANDBOX_BYTES));
  return { most: fitting(SHARE), ahead: Math.min(MOST_AHEAD, fitting(SHARE_AHEAD)) };
}

/**
 * Shares the budget out: the least of each kind first, those in demand before the others; then as many as the largest burst of late took, one for each in
 * turn; then, up to the part of the budget that is for what nobody has asked for, as many as can start.
 */
export function planPool(needs: readonly PoolNeed[], budget: PoolBudget): PoolPlan {
  const inDemand = [...needs].sort((one, other) => other.peak - one.peak);
  const plan = new Map(inDemand.map(({ key }) => [key, 0]));
  let planned = 0;
  const grow = (limit: number, bound: (need: PoolNeed) => number) => {
    for (let grown = true; grown && planned < limit; ) {
      grown = false;
      for (const need of inDemand) {
        const depth = plan.get(need.key) ?? 0;
        if (planned >= limit || depth >= Math.min(bound(need), need.most)) continue;
        plan.set(need.key, depth + 1);
        planned++;
        grown = true;
      }
    }
  };
  grow(budget.most, ({ least }) => least);
  grow(budget.most, ({ least, peak, room }) => Math.max(least, Math.min(peak, room)));
  const asked = new Map(plan);
  grow(budget.ahead, ({ ahead, room }) => (ahead ? room : 0));
  return { asked, all: plan };
}

/** Of those that wait, how many stay when `planned` are to: a few more, since what is free changes all the time, and one that was removed may have to be made again. */
export function keptOf(planned: number): number {
  return planned + Math.ceil(planned / 8);
}
