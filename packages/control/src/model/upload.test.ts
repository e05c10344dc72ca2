import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { inheritWhereEmpty, resolveBindings } from "./bindings.js";
import { newVersionId } from "./ids.js";
import { applyMigrations, type ClassesState } from "./migrations.js";
import { moduleKind } from "./modules.js";
import type { StoredBinding } from "./script-head.js";
import { parseUploadMetadata, type UploadedBinding } from "./upload-metadata.js";

const NAMESPACES = [{ id: "n1", className: "Box", sqlite: true }];

function resolve(uploaded: UploadedBinding[], previous: StoredBinding[] = [], keepTypes = ["secret_text"]): StoredBinding[] {
  return resolveBindings({
    script: "app",
    uploaded,
    previous,
    keepTypes,
    namespaces: NAMESPACES,
    queues: new Map(),
    seal: (_name, text) => `sealed:${text}`,
  });
}

function code(expected: string, pattern: RegExp): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof LongshoreError && thrown.code === expected && pattern.test(thrown.message);
}

test("a version's first eight digits are never all decimal", () => {
  const given = ["12345678-1111-4111-8111-111111111111", "1234567a-1111-4111-8111-111111111111"];
  assert.equal(
    newVersionId(() => given.shift() ?? ""),
    "1234567a-1111-4111-8111-111111111111",
  );
});

describe("resolveBindings", () => {
  test("each kind", () => {
    assert.deepEqual(
      resolve([
        { name: "A", type: "plain_text", text: "a" },
        { name: "B", type: "json", json: { b: 1 } },
        { name: "C", type: "secret_text", text: "c" },
        { name: "D", type: "durable_object_namespace", class_name: "Box", script_name: "app" },
        { name: "E", type: "version_metadata" },
      ]),
      [
        { type: "plain_text", name: "A", text: "a" },
        { type: "json", name: "B", json: { b: 1 } },
        { type: "secret_text", name: "C", sealed: "sealed:c" },
        { type: "durable_object_namespace", name: "D", className: "Box", namespaceId: "n1" },
        { type: "version_metadata", name: "E" },
      ],
    );
  });

  test("secrets stay unless something takes their name; other kinds stay when asked for", () => {
    const previous: StoredBinding[] = [
      { type: "secret_text", name: "S", sealed: "s" },
      { type: "secret_text", name: "T", sealed: "t" },
      { type: "plain_text", name: "V", text: "v" },
    ];
    const names = (bindings: StoredBinding[]): string[] => bindings.map((each) => `${each.type}:${each.name}`);
    assert.deepEqual(names(resolve([{ name: "T", type: "plain_text", text: "" }], previous)), ["plain_text:T", "secret_text:S"]);
    assert.deepEqual(names(resolve([], previous, ["secret_text", "plain_text"])), ["secret_text:S", "secret_text:T", "plain_text:V"]);
  });

  test("inherit takes the running version's, under another name too", () => {
    const previous: StoredBinding[] = [{ type: "plain_text", name: "OLD", text: "x" }];
    assert.deepEqual(resolve([{ name: "NEW", type: "inherit", old_name: "OLD" }], previous), [
      { type: "plain_text", name: "NEW", text: "x" },
    ]);
    assert.throws(() => resolve([{ name: "NEW", type: "inherit" }], previous), code("INVALID_INPUT", /has no binding "NEW"/));
  });

  test("a binding that only has a name and a type means: as it is", () => {
    assert.deepEqual(inheritWhereEmpty({ name: "A", type: "plain_text" }), { name: "A", type: "inherit" });
    assert.deepEqual(inheritWhereEmpty({ name: "A", type: "version_metadata" }), { name: "A", type: "version_metadata" });
    assert.deepEqual(inheritWhereEmpty({ name: "A", type: "plain_text", text: "" }), { name: "A", type: "plain_text", text: "" });
  });

  for (const type of ["vectorize", "ai", "constructor"]) {
    test(`${type} is refused by name and kind`, () => {
      assert.throws(() => resolve([{ name: "X", type }]), code("UNSUPPORTED", new RegExp(`Binding "X" \\(${type}\\) is not served`)));
    });
  }

  test("rate limits have a limit and one of two periods", () => {
    const binding = { name: "R", type: "ratelimit", namespace_id: "1001", simple: { limit: 5, period: 10 } };
    assert.deepEqual(resolve([binding]), [{ type: "ratelimit", name: "R", namespaceId: "1001", limit: 5, period: 10 }]);
    for (const simple of [{ limit: 5, period: 11 }, { limit: 0, period: 60 }, undefined])
      assert.throws(() => resolve([{ ...binding, simple }]), code("INVALID_INPUT", /"R" \(ratelimit\)/));
  });

  test("an unknown class, another Worker's class, a name twice, a missing value", () => {
    assert.throws(() => resolve([{ name: "X", type: "durable_object_namespace", class_name: "Nope" }]), code("INVALID_INPUT", /"Nope"/));
    assert.throws(
      () => resolve([{ name: "X", type: "durable_object_namespace", class_name: "Box", script_name: "other" }]),
      code("UNSUPPORTED", /another Worker/),
    );
    assert.throws(
      () =>
        resolve([
          { name: "X", type: "version_metadata" },
          { name: "X", type: "version_metadata" },
        ]),
      code("INVALID_INPUT", /Two/),
    );
    assert.throws(() => resolve([{ name: "X", type: "plain_text" }]), code("INVALID_INPUT", /no "text"/));
  });
});

describe("applyMigrations", () => {
  let next = 0;
  const newId = (): string => `id${next++}`;
  const state: ClassesState = { namespaces: NAMESPACES, migrationTag: "v1" };

  test("new, renamed, deleted; a renamed class keeps its data", () => {
    const after = applyMigrations(
      state,
      {
        old_tag: "v1",
        new_tag: "v3",
        steps: [
          { new_sqlite_classes: ["A"], new_classes: ["B"] },
          { renamed_classes: [{ from: "Box", to: "Crate" }], deleted_classes: ["B"] },
        ],
      },
      newId,
    );
    assert.deepEqual(
      after.namespaces.map((each) => [each.className, each.sqlite, each.id === "n1"]),
      [
        ["A", true, false],
        ["Crate", true, true],
      ],
    );
    assert.equal(after.migrationTag, "v3");
  });

  test("none leaves all as it is", () => assert.equal(applyMigrations(state, undefined, newId), state));

  test("what does not fit is refused", () => {
    const refused = (migrations: Parameters<typeof applyMigrations>[1], pattern: RegExp): void =>
      assert.throws(() => applyMigrations(state, migrations, newId), pattern);
    refused({ old_tag: "v0", new_tag: "v2" }, /start from tag "v0"/);
    refused({ steps: [{ new_sqlite_classes: ["Box"] }] }, /exists already/);
    refused({ steps: [{ deleted_classes: ["Nope"] }] }, /cannot be deleted/);
    refused({ steps: [{ renamed_classes: [{ from: "Nope", to: "X" }] }] }, /cannot be renamed/);
    refused({ steps: [{ transferred_classes: [{}] }] }, /not served/);
  });
});

describe("parseUploadMetadata", () => {
  const parse = (value: unknown): ReturnType<typeof parseUploadMetadata> => parseUploadMetadata(JSON.stringify(value));

  test("defaults", () => {
    const metadata = parse({ main_module: "a.js", keep_bindings: null, code_update_strategy: { mode: "deferred" } });
    assert.deepEqual([metadata.bindings, metadata.containers, metadata.settings], [[], [], {}]);
  });

  test("what changes nothing when it is empty is accepted empty", () => {
    parse({ main_module: "a.js", tail_consumers: [], logpush: false, assets: null, keep_assets: true });
  });

  for (const [value, pattern] of [
    [{ main_module: "a.js", assets: { config: { html_handling: "sometimes" } } }, /assets\.config\.html_handling/],
    [{ body_part: "script" }, /service-worker/],
    [{ main_module: "a.js", tail_consumers: [{ service: "x" }] }, /Tail consumers/],
    [{ main_module: "a.js", containers: [{ class_name: "A", images: { x: {} } }] }, /images/],
    [{ main_module: "a.js", containers: [{ class_name: "A" }, { class_name: "A" }] }, /two containers/],
    [{}, /no main_module/],
    [{ main_module: "a.js", compatibility_date: "today" }, /compatibility_date: must be a date/],
    [{ main_module: "a.js", bindings: [{ type: "json" }] }, /bindings\.0\.name/],
  ] as const) {
    test(`refused: ${pattern.source}`, () => assert.throws(() => parse(value), pattern));
  }

  test("fuzz: whatever JSON it gets, it parses or says what is wrong", () => {
    const atoms: unknown[] = [null, true, 0, -1, 1e308, "", "x", [], {}, [null], { a: 1 }, [[]], "__proto__"];
    const keys = [
      "main_module",
      "bindings",
      "compatibility_date",
      "compatibility_flags",
      "containers",
      "migrations",
      "keep_bindings",
      "annotations",
      "tags",
    ];
    for (const key of keys) {
      for (const atom of atoms) {
        for (const value of [atom, [atom], { steps: [atom] }, [{ name: "x", type: atom }], [{ class_name: atom }]]) {
          try {
            parse({ main_module: "a.js", [key]: value });
          } catch (error) {
            assert.ok(error instanceof LongshoreError && error.code !== "INTERNAL", `${key}: ${JSON.stringify(value)}: ${error}`);
          }
        }
      }
    }
    for (const text of ["", "{", "null", "[]", "1", '"x"']) assert.throws(() => parseUploadMetadata(text), LongshoreError);
  });
});

test("module kinds", () => {
  assert.equal(moduleKind("a", "application/javascript+module"), "esModule");
  assert.equal(moduleKind("a", "text/plain;charset=UTF-8"), "text");
  assert.equal(moduleKind("a", "application/source-map"), undefined);
  assert.throws(() => moduleKind("a", "text/x-python"), code("UNSUPPORTED", /Python/));
  assert.throws(() => moduleKind("a", "constructor"), code("INVALID_INPUT", /how to load/));
});
