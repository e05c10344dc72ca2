import assert from "node:assert/strict";
import { test } from "node:test";
import type { TraceEvent } from "@longshore/contract";
import { fetchText, testHost } from "../fixtures.js";

const code = `export default { fetch(request) {
  console.warn("seen", { path: new URL(request.url).pathname });
  if (request.url.endsWith("/bad")) throw new TypeError("broken");
  return new Response("fine");
} };`;

test("what a traced Worker does is heard while somebody listens, and the Worker serves when nobody does", async () => {
  await using it = await testHost();
  const target = { ...it.modules.target("app", code), traced: true };
  await it.host.check(target);
  await it.host.apply(target);
  assert.equal(await fetchText(it.host, "app", "/before"), "fine");
  const heard: TraceEvent[] = [];
  let enough: () => void = () => undefined;
  const both = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const listening = await it.host.traces("app", (event) => {
    // That of the request before may still be on its way.
    if (!event.event?.request?.url.endsWith("/before") && heard.push(event) === 2) enough();
  });
  await fetchText(it.host, "app", "/good");
  await fetchText(it.host, "app", "/bad");
  await both;
  listening[Symbol.dispose]();
  const [good, bad] = heard;
  assert.deepEqual(good?.logs[0]?.message, ["seen", { path: "/good" }]);
  assert.deepEqual([good?.outcome, good?.scriptName, good?.scriptVersion.id], ["ok", "app", target.version.id]);
  assert.match(good?.event?.request?.url ?? "", /\/good$/);
  assert.deepEqual([bad?.outcome, bad?.exceptions[0]?.message], ["exception", "broken"]);
  assert.equal(await fetchText(it.host, "app", "/after"), "fine");
  assert.equal(heard.length, 2);
});
