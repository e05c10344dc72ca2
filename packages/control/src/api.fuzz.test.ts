import assert from "node:assert/strict";
import { Agent } from "node:http";
import { test } from "node:test";
import { type RawAnswer, sendRaw } from "@longshore/contract/testing";
import fc from "fast-check";
import { type Draft, drafts } from "./test-support/fuzz/drafts.js";
import { type Route, requestOf } from "./test-support/fuzz/requests.js";
import { createWorld, HELD, SECRET, STRANGERS, type World } from "./test-support/fuzz/world.js";
import { TOKEN } from "./test-support/harness.js";

/** Requests in the suite; `npm run fuzz -- api` sends many more. */
const RUNS = 500;
/** What requests have changed makes others slower and less likely to be right: after so many an account is made anew. */
const REQUESTS_PER_ACCOUNT = 200;

/** What there was after the last request. */
const states = new WeakMap<World, string[]>();

test("whatever is asked of the API, it answers in its form, tells nobody what is not theirs, and changes nothing when it refuses", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let world = await createWorld();
  try {
    const routes = (await world.harness.routes()).filter(({ method, path }) => method !== "ALL" || !path.endsWith("*"));
    let requests = 0;
    const property = fc.asyncProperty(drafts, async (draft) => {
      if (++requests % REQUESTS_PER_ACCOUNT === 0) {
        await world[Symbol.asyncDispose]();
        world = await createWorld();
      }
      await check(draft, routes, world, agent);
    });
    await fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS, includeErrorInReport: true });
    assert.equal((await world.harness.call("GET", "/user", undefined, TOKEN)).status, 200);
  } finally {
    agent.destroy();
    await world[Symbol.asyncDispose]();
  }
});

async function check(draft: Draft, routes: readonly Route[], world: World, agent: Agent): Promise<void> {
  const { harness } = world;
  const sent = await requestOf(draft, routes, world);
  const before = states.get(world) ?? (await harness.state());
  const logged = harness.logged.length;
  const answer = await sendRaw(Number(new URL(harness.url).port), agent, sent);
  const said = `${sent.method} ${sent.path} as ${draft.caller} ${sent.body?.toString("latin1").slice(0, 2_000) ?? ""} → ${answer.status} ${answer.text.slice(0, 500)}`;

  assert.ok(answer.status < 500, `${said} ${harness.logged.slice(logged).join("\n")}`);
  if (sent.method !== "HEAD" && answer.status >= 400) checkFailure(answer, said);
  if (sent.method !== "HEAD" && answer.status < 300 && answer.text.startsWith('{"success"')) checkSuccess(answer, said);
  assert.ok(!answer.text.includes(SECRET) || sent.body?.includes(SECRET), `a secret is told: ${said}`);
  if (STRANGERS.includes(draft.caller)) assert.ok(!answer.text.includes(HELD), `told to a stranger: ${said}`);
  const after = await harness.state();
  if (answer.status >= 400) assert.deepEqual(after, before, `refused, and yet something changed: ${said}`);
  states.set(world, after);
}

function checkFailure({ text, type }: RawAnswer, said: string): void {
  assert.match(type, /^application\/json/, said);
  const envelope = JSON.parse(text) as {
    success: unknown;
    errors: { code: unknown; message: unknown }[];
    messages: unknown;
    result: unknown;
  };
  assert.deepEqual([envelope.success, envelope.result, envelope.messages], [false, null, []], said);
  assert.ok(envelope.errors.length > 0, said);
  for (const { code, message } of envelope.errors) {
    assert.ok(Number.isInteger(code) && typeof message === "string" && message.length > 0, said);
    assert.doesNotMatch(message as string, /\n\s+at |node:internal|file:\/\//, said);
  }
}

function checkSuccess({ text }: RawAnswer, said: string): void {
  const envelope = JSON.parse(text) as { success: unknown; errors: unknown; messages: unknown };
  assert.deepEqual([envelope.success, envelope.errors, envelope.messages], [true, [], []], said);
  assert.ok("result" in envelope, said);
}
