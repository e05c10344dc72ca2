import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkerBinding } from "@longshore/contract";
import { fetchText, testHost } from "../fixtures.js";

const code = `export default { async fetch(request, env) {
  const url = new URL(request.url);
  try { return Response.json(await env[url.pathname.slice(1)].limit({ key: url.searchParams.get("key") ?? 7 })); }
  catch (error) { return new Response(error.message); }
} };`;
const bindings: WorkerBinding[] = [
  { type: "ratelimit", name: "TWO", namespaceId: "1", limit: 2, period: 60 },
  { type: "ratelimit", name: "OTHER", namespaceId: "2", limit: 1, period: 60 },
  { type: "ratelimit", name: "SHORT", namespaceId: "1", limit: 100, period: 10 },
];

test("each key of a namespace has its limit", { timeout: 120_000 }, async () => {
  await using it = await testHost();
  const target = it.modules.target("app", code, { bindings });
  await it.host.check(target);
  await it.host.apply(target);
  const ask = async (path: string) => JSON.parse(await fetchText(it.host, "app", path)).success as boolean;
  // A minute may end in between: then the count begins again.
  const minute = () => Math.floor(Date.now() / 60_000);
  for (let begun = minute(); ; begun = minute()) {
    const answers = [];
    for (const path of ["/TWO?key=a", "/TWO?key=a", "/SHORT?key=a", "/TWO?key=a", "/TWO?key=b", "/OTHER?key=a", "/OTHER?key=a"])
      answers.push(await ask(path));
    if (minute() !== begun) continue;
    assert.deepEqual(answers, [true, true, true, false, true, true, false]);
    break;
  }
  assert.match(await fetchText(it.host, "app", "/TWO"), /takes \{ key \}/);
});
