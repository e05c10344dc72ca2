import assert from "node:assert/strict";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { ownImage } from "./own-image.js";

test("a Worker may start any image of its own account, and no other", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  for (const [requested, found] of Object.entries({
    "app:v2": "acc/app:v2",
    "acc/app:v2": "acc/app:v2",
    [`registry.example/acc/app@${digest}`]: `acc/app@${digest}`,
    "127.0.0.1:5000/acc/app:v2": "acc/app:v2",
  }))
    assert.equal(ownImage("acc/web:1", requested), found, requested);
  for (const requested of ["other/app:v2", "docker.io/library/nginx", "169.254.169.254/x:y", "registry.example/app:v2", "accx/app"])
    assert.throws(
      () => ownImage("acc/web:1", requested),
      (error) => error instanceof LongshoreError && error.code === "UNSUPPORTED",
      requested,
    );
});
