import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { requireReachable } from "./credentials.js";

const UID = 64_000;
const SERVER = { wrapper: ["setpriv"] };

test("a data directory below one that is closed to the server is refused, and what to do is said", () => {
  const closed = mkdtempSync(join(tmpdir(), "longshore-closed-"));
  const data = join(closed, "deep/data");
  const link = `${closed}-link`;
  try {
    mkdirSync(data, { recursive: true });
    symlinkSync(data, link);
    for (const path of [data, link]) {
      assert.throws(
        () => requireReachable(path, UID, SERVER),
        (error) =>
          error instanceof LongshoreError &&
          error.code === "FORBIDDEN" &&
          error.message.includes(path) &&
          error.hint?.includes(`chmod o+x ${closed}`) === true,
      );
    }
    requireReachable(data, UID, {});
    chownSync(closed, UID, 0);
    requireReachable(data, UID, SERVER);
    chownSync(closed, 0, 0);
    chmodSync(closed, 0o701);
    requireReachable(data, UID, SERVER);
    chmodSync(data, 0o700);
    requireReachable(data, UID, SERVER);
  } finally {
    rmSync(closed, { recursive: true });
    rmSync(link);
  }
});
