import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after } from "node:test";
import type { AppDirectory } from "@longshore/testkit";
import { platformSuite } from "@longshore/testkit";
import { crash } from "./crash/crash.js";
import type { Store } from "./crash/store.js";
import { prepareStores } from "./crash/stores.js";

const KILLS = 8;

let stores: Store[] = [];
let app: AppDirectory | undefined;
const { test } = platformSuite({
  images: [],
  async prepare(platform) {
    ({ stores, app } = await prepareStores(platform));
  },
});
after(() => app?.[Symbol.dispose]());

test("every acknowledged write outlives kill -9 of any process at any moment, and what failed is whole or absent", async (platform) => {
  const seed = Number(process.env.LONGSHORE_CRASH_SEED ?? randomInt(2 ** 31));
  const result = await crash(platform, stores, { seed, kills: KILLS });
  console.log(JSON.stringify({ seed, ...result }));
  assert.deepEqual(result.findings, [], `npm run crash -- --seed=${seed} --kills=${KILLS} does it again`);
  assert.ok(result.acknowledged > KILLS, `enough was written to mean something: ${result.acknowledged}`);
});
