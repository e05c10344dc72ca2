import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "./conversation.js";

test("somebody waits from the first byte of a question until the first byte of its answer", () => {
  const kept = new Conversation();
  assert.equal(kept.waitsForAnswer(0), false, "nothing was asked");
  for (const at of [10, 50_000]) {
    kept.asks(at);
    assert.equal(kept.waitsForAnswer(at), true);
    assert.equal(kept.waitsForAnswer(at + 40_000), true, "a program may take its time");
    kept.answers();
    assert.equal(kept.waitsForAnswer(at + 40_001), false, "a stream, or idle");
  }
});

test("an upload is a stream: its question has gone on for long, and goes on", () => {
  const upload = new Conversation();
  for (let at = 0; at <= 1_000; at += 100) {
    upload.asks(at);
    assert.equal(upload.waitsForAnswer(at), true);
  }
  upload.asks(1_100);
  assert.equal(upload.waitsForAnswer(1_101), false);
  assert.equal(upload.waitsForAnswer(2_200), true, "it has been sent, and its answer is waited for");
});
