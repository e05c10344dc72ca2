import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { testHost } from "../fixtures.js";
import { flagsToCheck } from "./experimental-flags.js";

test("flags that workerd calls experimental are refused by name; others, and what it does not know, are left to it", {
  timeout: 120_000,
}, async () => {
  await using it = await testHost();
  const check = (...compatibilityFlags: string[]) => it.host.check(it.modules.target("app", "export default {};", { compatibilityFlags }));
  const refused = (code: string, message: RegExp) => (error: unknown) =>
    error instanceof LongshoreError && error.code === code && message.test(error.message);
  await check("nodejs_compat");
  await check("nodejs_compat");
  await assert.rejects(
    check("nodejs_compat", "experimental", "service_binding_extra_handlers"),
    refused("UNSUPPORTED", /flags experimental, service_binding_extra_handlers, which workerd calls experimental/),
  );
  await assert.rejects(check("no_such_flag"), refused("INVALID_INPUT", /no_such_flag/));
  await assert.rejects(check("no_such_flag", "experimental"), refused("UNSUPPORTED", /flag experimental,/));
  assert.deepEqual(
    readdirSync(join(it.directory, "run")).filter((name) => name.startsWith(".check")),
    [],
  );
});

test("a Worker that has containers may have the flag that workerd keeps parts of them behind", () => {
  const compatibilityFlags = ["experimental", "nodejs_compat"];
  assert.deepEqual(flagsToCheck({ compatibilityFlags, containers: [] }), compatibilityFlags);
  assert.deepEqual(flagsToCheck({ compatibilityFlags, containers: [{ className: "Box" }] }), ["nodejs_compat"]);
});
