import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { KeyedMutex, type TraceEvent } from "@longshore/contract";
import { TailSocket } from "./api/tail-socket.js";
import { passes, type TailFilter, tailFilters } from "./model/tail-filters.js";
import { Tails, type TailsParts } from "./services/tails.js";
import { Harness, scriptForm } from "./test-support/harness.js";

const EVENT: TraceEvent = {
  scriptName: "site",
  scriptVersion: { id: "v1" },
  outcome: "ok",
  logs: [{ message: ["hello", { a: "needle" }], level: "log", timestamp: 1 }],
  exceptions: [],
  event: { request: { method: "GET", url: "http://site.localhost/", headers: { "cf-connecting-ip": "10.0.0.1", "x-kind": "test-a" } } },
};

describe("tails", () => {
  const cases: readonly (readonly [TailFilter, boolean])[] = [
    [{ sampling_rate: 0.6 }, true],
    [{ sampling_rate: 0.4 }, false],
    [{ outcome: ["ok"] }, true],
    [{ outcome: ["exception", "canceled"] }, false],
    [{ method: ["POST", "GET"] }, true],
    [{ method: ["POST"] }, false],
    [{ header: { key: "X-Kind" } }, true],
    [{ header: { key: "X-Kind", query: "test" } }, true],
    [{ header: { key: "X-Kind", query: "other" } }, false],
    [{ header: { key: "X-Other" } }, false],
    [{ client_ip: ["10.0.0.1"] }, true],
    [{ client_ip: ["self"] }, false],
    [{ query: "needle" }, true],
    [{ query: "hay" }, false],
    [{ scriptVersion: "v1" }, true],
    [{ scriptVersion: "v2" }, false],
  ];
  for (const [filter, expected] of cases) {
    test(`${JSON.stringify(filter)}: ${expected}`, () => assert.equal(passes(EVENT, [filter], "10.0.0.2", 0.5), expected));
  }

  test("all filters must let an event through; what is no request passes none that asks about requests", () => {
    assert.equal(passes(EVENT, [], "", 0.5), true);
    assert.equal(passes(EVENT, [{ method: ["GET"] }, { query: "hay" }], "", 0.5), false);
    assert.equal(passes({ ...EVENT, event: null }, [{ method: ["GET"] }], "", 0.5), false);
    assert.equal(tailFilters.safeParse([{ outcome: "ok" }]).success, false);
  });

  test("the socket reads masked and unmasked frames in any pieces, and answers pings and closes", () => {
    const ping = [0x89, 0x83, 1, 2, 3, 4, "a".charCodeAt(0) ^ 1, "b".charCodeAt(0) ^ 2, "c".charCodeAt(0) ^ 3];
    const bytes = Buffer.from([0x81, 2, 0x7b, 0x7d, ...ping, 0x88, 2, 0x03, 0xe8]);
    for (const size of [1, 3, bytes.length]) {
      const { socket, said } = fakeSocket();
      const request = { headers: { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" } } as unknown as IncomingMessage;
      const tail = new TailSocket(request, socket, Buffer.alloc(0), () => undefined);
      assert.match(said(), /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\nSec-WebSocket-Protocol: trace-v1\r\n\r\n$/);
      tail.send("x".repeat(300));
      assert.equal(said(), `\x81\x7e\x01\x2c${"x".repeat(300)}`);
      for (let at = 0; at < bytes.length; at += size) socket.emit("data", bytes.subarray(at, at + size));
      assert.equal(said(), "\x8a\x03abc\x88\x02\x03\xe8");
    }
    const { socket, said } = fakeSocket();
    new TailSocket({ headers: {} } as unknown as IncomingMessage, socket, Buffer.from([0x81, 0x7f]), () => undefined);
    assert(said().endsWith("\x88\x02\x03\xf1"));
  });

  test("begun, listed, ended; a Worker that is not observed is run again so that it can be watched", async () => {
    await using harness = await Harness.start();
    assert.equal((await harness.call("POST", "workers/scripts/site/tails", { filters: [] })).errors[0]?.code, 10_007);
    await harness.call("PUT", "workers/scripts/site", scriptForm({}));
    assert.equal(harness.workers.running.get("site")?.traced, false);
    const begun = await harness.call("POST", "workers/scripts/site/tails", { filters: [{ outcome: ["ok"] }] });
    assert.match(begun.result.url, /^ws:\/\/127\.0\.0\.1:\d+\/tails\/[0-9a-f]{32}$/);
    assert.equal(harness.workers.running.get("site")?.traced, true);
    assert.deepEqual((await harness.call("GET", "workers/scripts/site/tails")).result, [begun.result]);
    await harness.call("DELETE", `workers/scripts/site/tails/${begun.result.id}`);
    assert.deepEqual((await harness.call("GET", "workers/scripts/site/tails")).result, []);
    await harness.call("PUT", "workers/scripts/seen", scriptForm({ observability: { enabled: true } }));
    assert.equal(harness.workers.running.get("seen")?.traced, true);
  });

  test("one connection to a tail is served, and none of a token that is revoked before it is", async () => {
    const waiting: (() => void)[] = [];
    let listeners = 0;
    const traces = async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      listeners++;
      return { [Symbol.dispose]: () => void listeners-- };
    };
    const known = new Set(["token", "revoked"]);
    const parts = {
      workers: { traces },
      store: { head: async () => ({}), activeVersion: async () => ({}) },
      releases: { watch: (script: string) => script === "replaced", run: async () => void known.delete("revoked") },
      apiTokens: { credentials: async (id: string) => (known.has(id) ? {} : undefined) },
      locks: new KeyedMutex(),
    };
    const tails = new Tails({ ...parts, clock: Date.now } as unknown as TailsParts);
    const connect = ({ id }: { id: string }) => {
      const { socket, said } = fakeSocket();
      const request = { url: `/tails/${id}`, headers: {}, socket: {} } as unknown as IncomingMessage;
      assert.ok(tails.upgrade(request, socket, Buffer.alloc(0)));
      return { socket, said };
    };
    const served = await tails.begin("site", [], "token");
    const [first, second] = [connect(served), connect(served)];
    const revoked = await tails.begin("site", [], "revoked");
    const late = connect(revoked);
    tails.endOf("revoked");
    for (const go of waiting) go();
    await new Promise(setImmediate);
    assert.match(first.said(), /^HTTP\/1\.1 101 /);
    assert.deepEqual([second.socket.destroyed, late.socket.destroyed, listeners], [true, true, 1]);
    // Its token is revoked while the Worker is replaced so that it can be watched.
    await assert.rejects(tails.begin("replaced", [], "revoked"), /was revoked/);
    assert.deepEqual(tails.of("replaced"), []);
    tails[Symbol.dispose]();
  });
});

function fakeSocket() {
  const socket = new PassThrough();
  let text = "";
  socket.write = (chunk: Buffer | string) => {
    text += typeof chunk === "string" ? chunk : chunk.toString("latin1");
    return true;
  };
  const said = () => {
    const all = text;
    text = "";
    return all;
  };
  return { socket, said };
}
