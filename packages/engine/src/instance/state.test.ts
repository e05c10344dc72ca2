import assert from "node:assert/strict";
import { test } from "node:test";
import type { InstanceStatus } from "@longshore/contract";
import { type InstanceEvent, nextStatus } from "./state.js";

/** Rows: status; columns: start, ready, freeze, thaw, stop, exit. `-` is refused. */
const TABLE: Record<InstanceStatus, string> = {
  created: "starting - - - - exited",
  starting: "- running frozen - stopping exited",
  running: "- running frozen running stopping exited",
  frozen: "- - frozen running stopping exited",
  stopping: "- stopping - - stopping exited",
  exited: "- - - - exited exited",
};

test("every status answers every event as the table says", () => {
  const events: InstanceEvent[] = ["start", "ready", "freeze", "thaw", "stop", "exit"];
  for (const [status, row] of Object.entries(TABLE) as [InstanceStatus, string][]) {
    assert.equal(events.map((event) => nextStatus(status, event) ?? "-").join(" "), row, status);
  }
});
