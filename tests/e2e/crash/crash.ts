import { eventually, type Platform } from "@longshore/testkit";
import { Ledger } from "./ledger.js";
import { seeded } from "./random.js";
import type { Store } from "./store.js";

export interface CrashOptions {
  readonly seed: number;
  readonly kills: number;
  readonly signal?: AbortSignal;
  readonly told?: (message: string) => void;
}

export interface CrashResult {
  readonly kills: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly failed: number;
  /** By store: what is not as it was promised. */
  readonly findings: readonly string[];
}

/** Those that the installation runs for somebody, by the name of their directory. */
const WORKERDS: Readonly<Record<string, string>> = {
  storage: ".storage",
  queues: ".queues",
  worker: "crash",
  "deployed worker": "crash-deploy-0",
  "scheduled worker": "crash-cron",
};
const PARTS = ["server", "engine", "up", "everything", ...Object.keys(WORKERDS)];
/** Acknowledged writes between two kills, as long as that does not take too long. */
const MOST_BETWEEN = 16;
const BETWEEN_DEADLINE_MS = 20_000;
const LONGEST_PAUSE_MS = 200;
const AFTER_FAILURE_MS = 50;
const READ_DEADLINE_MS = 60_000;

/** Lets a client of each store write, kills parts of the installation at random moments, and then looks for every acknowledged write. */
export async function crash(platform: Platform, stores: readonly Store[], options: CrashOptions): Promise<CrashResult> {
  const random = seeded(options.seed);
  const ending = new AbortController();
  const clients = stores.map((store) => ({ store, ledger: new Ledger() }));
  const writing = clients.map(({ store, ledger }) => writeUntil(ending.signal, store, ledger));
  const kills: Record<string, number> = {};
  try {
    for (let n = 0; n < options.kills && options.signal?.aborted !== true; n++) {
      // Somewhere among the next writes, and at whatever instruction.
      await untilMore(clients, Math.floor(random() * MOST_BETWEEN));
      await pause(random() * LONGEST_PAUSE_MS);
      const part = PARTS[Math.floor(random() * PARTS.length)] ?? "server";
      kills[part] = (kills[part] ?? 0) + 1;
      options.told?.(`kill ${n + 1}: ${part}`);
      await kill(platform, part);
    }
    // Deploys and pushes take long: on a slow machine none may have come to its end before the next kill.
    await until(() => clients.every(({ ledger }) => ledger.acknowledged > 0), READ_DEADLINE_MS);
  } finally {
    ending.abort();
    await Promise.all(writing);
  }
  const findings: string[] = [];
  for (const { store, ledger } of clients) {
    for (const place of ledger.places) {
      const found = await readAgain(store, place);
      const verdict = typeof found === "string" ? found : ledger.verdict(place, found.n);
      if (verdict !== undefined) findings.push(`${store.name}: ${verdict}`);
    }
    if (ledger.acknowledged === 0) findings.push(`${store.name}: nothing was acknowledged, so nothing was checked`);
  }
  const sum = (key: "acknowledged" | "failed") => clients.reduce((total, { ledger }) => total + ledger[key], 0);
  return { kills, acknowledged: sum("acknowledged"), failed: sum("failed"), findings };
}

async function untilMore(clients: readonly { ledger: Ledger }[], more: number): Promise<void> {
  const count = () => clients.reduce((sum, { ledger }) => sum + ledger.acknowledged, 0);
  const wanted = count() + more;
  await until(() => count() >= wanted, BETWEEN_DEADLINE_MS);
}

/** Resolves when `condition` holds, or after `ms`. */
async function until(condition: () => boolean, ms: number): Promise<void> {
  for (const deadline = Date.now() + ms; !condition() && Date.now() < deadline; ) await pause(AFTER_FAILURE_MS);
}

async function writeUntil(signal: AbortSignal, store: Store, ledger: Ledger): Promise<void> {
  for (let n = 1; !signal.aborted; n++) {
    const place = String(n % store.places);
    const failed = ledger.failed;
    await ledger.write(place, n, () => store.write(place, n));
    await pause(ledger.failed > failed ? AFTER_FAILURE_MS : (store.pauseMs ?? 0));
  }
}

async function kill(platform: Platform, part: string): Promise<void> {
  if (part === "up" || part === "everything") {
    await (part === "up" ? platform.killUp() : platform.killEverything());
    await platform.upAgain();
    return;
  }
  const workerd = WORKERDS[part];
  const pid = platform.pid(workerd === undefined ? (part as "server" | "engine") : { workerd });
  // One that is not there was killed a moment ago.
  if (pid !== undefined) process.kill(pid, "SIGKILL");
}

/** While the last of what was killed comes up again, reading fails; a value that is not whole stays so. */
async function readAgain(store: Store, place: string): Promise<{ n: number | undefined } | string> {
  let last = "";
  return await eventually("an answer", READ_DEADLINE_MS, () =>
    store.read(place).then(
      (n) => ({ n }),
      (error: unknown) => {
        last = `${place}: cannot be read: ${String(error)}`;
        return undefined;
      },
    ),
  ).catch(() => last);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
