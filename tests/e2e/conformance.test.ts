import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platformSuite, repository } from "@longshore/testkit";
import { egressRows } from "./conformance/egress.js";
import { idleRows, lifecycleRows } from "./conformance/lifecycle.js";
import { portRows } from "./conformance/ports.js";
import { requestRows } from "./conformance/requests.js";
import type { Row } from "./conformance/row.js";
import { conformanceApp, Side } from "./conformance/side.js";
import { socketRows } from "./conformance/sockets.js";
import { type Outcomes, page } from "./conformance/table.js";

const ROWS = [...requestRows, ...portRows, ...lifecycleRows, ...idleRows, ...socketRows, ...egressRows];
const PAGE = join(repository, "docs/conformance.md");
/** At a time for each class: many of them only wait. */
const LANES = 6;
const OURS = "conformance";
const PUBLISHED = "conformance-published";

const { test } = platformSuite({
  images: ["node"],
  prepare: async (platform) => {
    for (const name of [OURS, PUBLISHED]) {
      using app = conformanceApp(name, name === PUBLISHED);
      await platform.deploy(app.path);
    }
  },
});

async function outcomesOf(side: Side): Promise<Outcomes> {
  const outcomes = new Map<Row, string | undefined>();
  // Those that wait long begin first.
  const waiting = [...portRows, ...idleRows, ...ROWS].filter((row, index, all) => all.indexOf(row) === index);
  const lane = async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      try {
        await row.check(side);
        outcomes.set(row, undefined);
      } catch (error) {
        outcomes.set(row, error instanceof Error ? error.message : String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return outcomes;
}

test("our class holds every row; what the published one holds is written down", async (platform) => {
  const [ours, published] = await Promise.all([outcomesOf(new Side(platform, OURS)), outcomesOf(new Side(platform, PUBLISHED))]);
  for (const [row, failure] of published) if (failure !== undefined) console.log(`published: ${row.promise}: ${failure}`);
  const failed = [...ours]
    .filter(([, failure]) => failure !== undefined)
    .map(([row, failure]) => `${row.source}: ${row.promise}: ${failure}`);
  assert.deepEqual(failed, []);
  const now = page(ROWS, ours, published);
  if (process.env.LONGSHORE_WRITE_CONFORMANCE === "1") writeFileSync(PAGE, now);
  // Some of what the published one holds depends on how busy the machine is.
  assert.equal(
    withoutPublished(readFileSync(PAGE, "utf8")),
    withoutPublished(now),
    "docs/conformance.md is not current: run `npm run conformance`.",
  );
});

/** The page without its last column. */
function withoutPublished(text: string): string {
  return text.replaceAll(/ (yes|\*\*no\*\*) \|$/gm, "").replace(/the published one \d+/, "");
}
