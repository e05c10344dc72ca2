import assert from "node:assert/strict";
import { test } from "node:test";
import type { Application, Release } from "./application.js";
import { imageDigests } from "./image-digests.js";
import type { Rollout, RolloutStatus } from "./rollout.js";
import type { StoredVersion } from "./script-head.js";

const release = (digit: string): Release => ({ version: 1, image: `account/app@sha256:${digit}` }) as Release;
const rollout = (status: RolloutStatus, current: string, target: string): Rollout =>
  ({ status, current: release(current), target: release(target) }) as Rollout;

test("what runs and what a rollout may go back to is deployed, what earlier rollouts left is remembered", () => {
  const rollouts = [rollout("progressing", "b", "c"), rollout("completed", "a", "b"), rollout("reverted", "a", "x")];
  const application = { live: release("c"), rollouts, ranWith: { version: release("r") } } as unknown as Application;
  const other = { live: release("o"), rollouts: [] } as unknown as Application;
  const running = { containers: [{ images: { side: "account/side@sha256:s" } }, {}] } as unknown as StoredVersion;
  const { deployed, remembered } = imageDigests([application, other], [running]);
  assert.deepEqual(deployed, new Set(["sha256:s", "sha256:c", "sha256:b", "sha256:o"]));
  assert.deepEqual(remembered, new Set(["sha256:r", "sha256:a", "sha256:b", "sha256:x"]));
});
