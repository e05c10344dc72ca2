import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type AppDirectory, eventually, platformSuite } from "@longshore/testkit";
import type { Store } from "./crash/store.js";
import { prepareStores } from "./crash/stores.js";
import { SyncedWrites } from "./crash/synced.js";

const CALLS =
  "write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,open,openat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,sendmsg,sendto";
/** Written while the trace runs, in each store. The fourth is a large one. */
const WRITES = [1, 2, 3];

let stores: Store[] = [];
let app: AppDirectory | undefined;
const directory = mkdtempSync(join(tmpdir(), "longshore-synced-"));
const { test } = platformSuite({
  images: [],
  async prepare(platform) {
    ({ stores, app } = await prepareStores(platform, { consumers: false }));
  },
});
after(() => {
  app?.[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

test("what is acknowledged was synced before: files, and the directories that name them", async (platform) => {
  for (const store of stores) await store.write("0", 0);
  const parts = ["server", { workerd: ".storage" }, { workerd: ".queues" }, { workerd: "crash" }] as const;
  const pids = parts.map((part) => platform.pid(part)).filter((pid) => pid !== undefined);
  assert.equal(pids.length, parts.length);
  const log = join(directory, "trace");
  const known = below(platform.data);
  const strace = await attach(pids, log);
  for (const store of stores) for (const n of WRITES) await store.write(String(n % store.places), n);
  await detach(strace);

  const { data } = platform;
  const lasts = (path: string) =>
    (path.startsWith(`${data}/bucket/objects/`) || /^\/workers\/[^/]+\/objects\//.test(path.slice(data.length))) && !path.endsWith("-shm");
  const writes = new SyncedWrites(known, lasts);
  const findings = new Set<string>();
  let acknowledged = 0;
  let synced = 0;
  for (const line of readFileSync(log, "latin1").split("\n")) {
    const call = writes.line(line);
    if (call === undefined) continue;
    if (/^f(?:data)?sync\(/.test(call)) synced++;
    // 202 says only that bytes of an upload were received.
    if (!line.startsWith(`${pids[0]} `) || !/TCP.*"HTTP\/1\.1 20[014] /.test(call)) continue;
    acknowledged++;
    for (const each of writes.unsynced) findings.add(each.replace(data, ""));
  }
  console.log(JSON.stringify({ acknowledged, synced }));
  assert.ok(acknowledged >= stores.length * WRITES.length, `${acknowledged} acknowledgements were seen`);
  assert.ok(synced >= acknowledged);
  assert.deepEqual([...findings], []);
});

async function attach(pids: readonly number[], log: string): Promise<ChildProcess> {
  const strace = spawn(
    "strace",
    ["-f", "-yy", "-s", "40", "-e", `trace=${CALLS}`, "-o", log, ...pids.flatMap((pid) => ["-p", String(pid)])],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  strace.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await eventually("strace is attached", 60_000, () => pids.every((pid) => new RegExp(`Process ${pid} attached`).test(said)) || undefined);
  return strace;
}

async function detach(strace: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => strace.once("close", resolve));
  strace.kill("SIGINT");
  await ended;
}

function below(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => join(root, path))
    .filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined);
}
