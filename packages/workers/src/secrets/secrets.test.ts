import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { WorkerBinding } from "@longshore/contract";
import { fetchSocket, fetchText, hexId, hostOptions, Modules, temporaryDirectory, testHost } from "../fixtures.js";
import { createWorkerHost } from "../host.js";
import { KNOWN_FOR_MS, secretsSocket } from "./secrets-config.js";

const STORE = hexId("store");
const DEADLINE = { timeout: 120_000 };
const bindings: WorkerBinding[] = [
  { type: "secrets_store_secret", name: "KEY", storeId: STORE, secretName: "API-key_1" },
  { type: "secrets_store_secret", name: "NONE", storeId: STORE, secretName: "none" },
];
const code = `export default { async fetch(request, env) {
  try {
    if (request.url.endsWith("/what")) return Response.json([typeof env.KEY, typeof env.KEY.get, await env.KEY.env, await env.KEY.SOURCE]);
    return new Response(await env[request.url.endsWith("/none") ? "NONE" : "KEY"].get());
  } catch (error) { return new Response(error.message); }
} };`;

test("a Worker gets the secrets it is bound to; a change needs no deploy, and what is not there is an error", DEADLINE, async () => {
  const values = new Map([[`${STORE} API-key_1`, "first ü"]]);
  await using it = await testHost({ readSecret: async (store, name) => values.get(`${store} ${name}`) });
  const target = it.modules.target("app", code, { bindings });
  await it.host.check(target);
  await it.host.apply(target);
  assert.equal(await fetchText(it.host, "app"), "first ü");
  assert.match(await fetchText(it.host, "app", "/none"), /^Secret "none" not found/);
  values.set(`${STORE} API-key_1`, "second");
  await setTimeout(KNOWN_FOR_MS + 100);
  assert.equal(await fetchText(it.host, "app"), "second");
  assert.doesNotMatch(await fetchText(it.host, "app", "/what"), /longshore|secret/i);
  // What no Worker's process asks ends nothing.
  assert.equal(await fetchSocket(secretsSocket(`${it.directory}/run`), `/${STORE}/%zz`), "");
  assert.match(it.messages.join("\n"), /could not be read for a Worker: URIError/);
});

test("while no server runs the value that is known is used; a new process waits for the next server", DEADLINE, async () => {
  await using directory = await temporaryDirectory();
  const modules = new Modules();
  const options = hostOptions(directory.path, modules);
  const first = await createWorkerHost({ ...options, readSecret: async () => "kept" });
  await first.apply(modules.target("app", code, { bindings }));
  const upstream = first.upstream("app");
  assert.equal(await fetchText(first, "app"), "kept");
  await first.detach();
  await setTimeout(KNOWN_FOR_MS + 100);
  const away = { upstream: () => upstream } as unknown as typeof first;
  assert.equal(await fetchText(away, "app"), "kept");
  const waiting = fetchText(away, "app", "/none");
  await using second = {
    host: await createWorkerHost({ ...options, readSecret: async () => "next" }),
    [Symbol.asyncDispose]: () => second.host.close(),
  };
  assert.equal(await waiting, "next");
  assert.equal(await fetchText(second.host, "app"), "next");
});
