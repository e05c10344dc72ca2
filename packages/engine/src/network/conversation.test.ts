import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "./conversation.js";

test("idle, or with an answer that has begun: cut", () => {
  const kept = new Conversation();
  assert.equal(kept.mayBeCut(0), true, "nothing was asked");
  kept.asks(10);
  kept.answers();
  assert.equal(kept.mayBeCut(20), true);
});

test("who waits for an answer is spared, and has all of it", () => {
  const kept = new Conversation();
  kept.asks(10);
  assert.equal(kept.mayBeCut(20), false);
  assert.equal(kept.mayBeCut(40_000), false, "a program may take its time");
  kept.answers();
  assert.equal(kept.mayBeCut(40_010), false, "the answer is under way");
});

test("bytes that go to and fro are a stream, at whichever moment it is looked at first", () => {
  const echoed = new Conversation();
  echoed.asks(0);
  assert.equal(echoed.mayBeCut(1), false);
  echoed.answers();
  assert.equal(echoed.mayBeCut(20), false);
  echoed.asks(100);
  assert.equal(echoed.mayBeCut(101), false);
  echoed.answers();
  assert.equal(echoed.mayBeCut(120), true);
});

test("an upload is a stream: its question has gone on for long, and goes on", () => {
  const upload = new Conversation();
  for (let at = 0; at <= 1_000; at += 100) upload.asks(at);
  assert.equal(upload.mayBeCut(2_200), false, "it has been sent, and its answer is waited for");
  const long = new Conversation();
  for (let at = 0; at <= 1_100; at += 100) long.asks(at);
  assert.equal(long.mayBeCut(1_101), true);
});

test("a WebSocket is cut, whoever spoke last", () => {
  const socket = new Conversation();
  socket.asks(0);
  assert.equal(socket.mayBeCut(1), false);
  socket.answers();
  socket.switches();
  socket.asks(10);
  assert.equal(socket.mayBeCut(20), true);
});
