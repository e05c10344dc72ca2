import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import fc from "fast-check";
import { readSettings } from "./settings.js";

/** Inputs in the suite; `npm run fuzz` sets many more. */
const RUNS = 500;

const names = [
  "data",
  "listen",
  "edgePort",
  "domain",
  "runtime",
  "runtimes",
  "pool",
  "snapshotDays",
  "imageStorageGb",
  "allowOutbound",
  "resolvers",
  "uid",
  "registries",
  "tlsPort",
  "tlsKey",
  "acme",
  "acmeEmail",
  "http",
  "maxBody",
  "rateLimits",
];
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom("10.0.0.0/8", "::1/128", "127.0.0.1:53", "[::1]:53", "999.1.1.1", "-1", 65_536, "example.com"),
);
const settings = fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, fc.string()), value, { maxKeys: 5 });

test("whatever a configuration file holds, it is taken, or refused with what is wrong", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-c-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "config.json");
  const content = fc.oneof({ weight: 9, arbitrary: settings.map((one) => JSON.stringify(one)) }, fc.string());
  const property = fc.property(content, settings, (text, flags) => {
    writeFileSync(file, text);
    try {
      assert.ok(readSettings(flags, file).data.startsWith("/"));
    } catch (error) {
      if (!(error instanceof LongshoreError) || error.code !== "INVALID_INPUT") throw error;
      assert.ok(error.message.length > 20);
    }
  });
  fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS });
});
