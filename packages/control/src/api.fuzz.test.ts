import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { type Draft, drafts } from "./test-support/fuzz/drafts.js";
import { type ApiRequest, type Route, requestOf } from "./test-support/fuzz/requests.js";
import { createWorld, HELD, SECRET, STRANGERS, type World } from "./test-support/fuzz/world.js";
import { TOKEN } from "./test-support/harness.js";

/** Requests in the suite; `npm run fuzz -- api` sends many more. */
const RUNS = 500;
/** What requests have changed makes others slower and less likely to be right: after so many an account is made anew. */
const REQUESTS_PER_ACCOUNT = 200;
/** Longer is a hang, also where every write waits for a busy disk. */
const ANSWER_MS = 60_000;

/** What there was after the last request. */
const states = new WeakMap<World, string[]>();

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

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
  const answer = await send(harness.url, agent, sent);
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

function checkFailure({ text, type }: Answer, said: string): void {
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

function checkSuccess({ text }: Answer, said: string): void {
  const envelope = JSON.parse(text) as { success: unknown; errors: unknown; messages: unknown };
  assert.deepEqual([envelope.success, envelope.errors, envelope.messages], [true, [], []], said);
  assert.ok("result" in envelope, said);
}

async function send(url: string, agent: Agent, { method, path, headers, body }: ApiRequest): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return await new Promise<Answer>((resolve, reject) => {
    const lengths = body === undefined ? {} : { "content-length": body.length };
    const options = { hostname, port, agent, method, path, headers: { ...headers, ...lengths }, signal: AbortSignal.timeout(ANSWER_MS) };
    const outgoing = request(options, (response) => {
      const { statusCode = 0, headers: received } = response;
      buffer(response).then(
        (bytes) => resolve({ status: statusCode, type: received["content-type"] ?? "", text: bytes.toString("utf8") }),
        reject,
      );
    });
    outgoing.on("error", (error) => reject(new Error(`${method} ${path}: ${error.message}`, { cause: error })));
    outgoing.end(body);
  });
}
