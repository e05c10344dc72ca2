import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Stage, stage } from "./testing/stage.js";

let on: Stage;
before(async () => {
  on = await stage();
});
after(() => on[Symbol.asyncDispose]());

test("a request starts the container and gets its answer; the same name gets the same instance", async () => {
  const first = await on.fetch("/PLAIN/cold/some/path");
  assert.equal(first.status, 200, await first.clone().text());
  const body = (await first.json()) as { instance: string; message: string; path: string };
  assert.equal(body.message, "from the class");
  assert.equal(body.path, "/PLAIN/cold/some/path");
  const second = (await (await on.fetch("/PLAIN/cold/")).json()) as { instance: string };
  assert.equal(second.instance, body.instance);
  assert.deepEqual((await on.call("PLAIN/cold", "getState")).result && "ok", "ok");
});
