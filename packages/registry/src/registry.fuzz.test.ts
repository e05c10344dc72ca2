import assert from "node:assert/strict";
import { Agent } from "node:http";
import { test } from "node:test";
import { type RawAnswer, sendRaw } from "@longshore/contract/testing";
import fc from "fast-check";
import { createWorld, type Draft, drafts, FOREIGN, requestOf, type World } from "./fixture-fuzz.js";

/** Requests in the suite; `npm run fuzz -- registry` sends many more. */
const RUNS = 500;
/** What requests have changed makes others less likely to be right: after so many the registry is made anew. */
const REQUESTS_PER_REGISTRY = 300;

/** What there was after the last request. */
const states = new WeakMap<World, string[]>();

test("whatever is asked of the registry, it answers in the specification's form, tells nobody what is not theirs, and changes nothing when it refuses", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let world = await createWorld();
  try {
    let requests = 0;
    const property = fc.asyncProperty(drafts, async (draft) => {
      if (++requests % REQUESTS_PER_REGISTRY === 0) {
        agent.destroy();
        await world[Symbol.asyncDispose]();
        world = await createWorld();
      }
      await check(draft, world, agent);
    });
    await fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS, includeErrorInReport: true });
    assert.equal((await world.on.request("")).status, 200);
  } finally {
    agent.destroy();
    await world[Symbol.asyncDispose]();
  }
});

async function check(draft: Draft, world: World, agent: Agent): Promise<void> {
  const { on } = world;
  const sent = requestOf(draft, world);
  const before = states.get(world) ?? (await state(world));
  const answer = await sendRaw(on.port, agent, sent);
  const said = `${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} as ${draft.user} ${sent.body?.toString("latin1").slice(0, 2_000) ?? ""} → ${answer.status} ${answer.text.slice(0, 500)}`;

  assert.ok(answer.status < 500, `${said} ${on.events.map(({ error }) => (error as Error | undefined)?.stack).join("\n")}`);
  if (sent.method !== "HEAD" && answer.status >= 400) checkErrors(answer, said);
  if (draft.user !== "other") assert.ok(!answer.text.includes(FOREIGN), `told to another account: ${said}`);
  const after = await state(world);
  if (answer.status >= 400) assert.deepEqual(after, before, `refused, and yet something changed: ${said}`);
  states.set(world, after);
}

/** Every object there is. Unfinished uploads are none: a refusal may end one. */
async function state({ on }: World): Promise<string[]> {
  const objects: string[] = [];
  for await (const { key, etag } of on.bucket.list("")) objects.push(`${key} ${etag}`);
  return objects;
}

function checkErrors({ text, type }: RawAnswer, said: string): void {
  assert.equal(type, "application/json", said);
  const { errors } = JSON.parse(text) as { errors: { code: string; message: string }[] };
  assert.ok(errors.length > 0, said);
  for (const { code, message } of errors) {
    assert.match(code, /^[A-Z_]+$/, said);
    assert.ok(message.length > 0, said);
    assert.doesNotMatch(message, /\n\s+at |node:internal|file:\/\//, said);
  }
}
