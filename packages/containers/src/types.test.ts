import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const sources = fileURLToPath(new URL("../src/testing/types/", import.meta.url));
const ours = fileURLToPath(new URL("./index.d.ts", import.meta.url));
const published = join(dirname(require.resolve("@cloudflare/containers")), "index.d.ts");

const workersTypes = join(dirname(require.resolve("@cloudflare/workers-types/package.json")), "index.d.ts");

/** What the compiler says of a source file, with the package's name standing for these declarations. */
function compile(source: string, declarations: string): string {
  const directory = mkdtempSync(join(tmpdir(), "containers-types-"));
  try {
    const compilerOptions = {
      target: "es2022",
      module: "esnext",
      moduleResolution: "bundler",
      lib: ["es2023"],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
      paths: { "@cloudflare/containers": [declarations] },
    };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [workersTypes, join(sources, source)] }));
    const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
    return spawnSync(process.execPath, [tsc, "-p", directory], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("code written for the published package type-checks against ours as it does against that", () => {
  assert.equal(compile("published.ts", published), "");
  assert.equal(compile("published.ts", ours), "");
});

test("what is here besides has types too", () => {
  assert.equal(compile("besides.ts", ours), "");
});
