import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchWatch } from "./switch-watch.js";

const HEAD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

function found(...pieces: string[]): number {
  const watch = new SwitchWatch();
  return pieces.findIndex((piece) => watch.isIn(Buffer.from(piece)));
}

test("a change of protocols is seen in the piece that brings it, also after other answers and in several pieces", () => {
  assert.equal(found(HEAD), 0);
  assert.equal(found("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "", HEAD), 2);
  assert.equal(found("H", "TTP/1.1 10", "1 Switching Protocols\r\n"), 2);
  assert.equal(found("HTTP/1.1 1", HEAD), 1);
  assert.equal(found("HTTP/1.1 100 Continue\r\n\r\n", HEAD), 1);
});

test("nothing else is taken for one, and one is seen once", () => {
  assert.equal(found("HTTP/1.1 200 OK\r\n\r\n", `a body with ${HEAD}`, "HTTP/1.0 101 x", "HTTP/1.1 1010", "http/1.1 101 x"), -1);
  const watch = new SwitchWatch();
  assert.deepEqual([watch.isIn(Buffer.from(HEAD)), watch.isIn(Buffer.from(HEAD))], [true, false]);
});
