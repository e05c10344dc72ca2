import assert from "node:assert/strict";
import { test } from "node:test";
import { splitStatements } from "./sql-statements.js";

test("statements end at semicolons that are not in texts, names, comments or triggers", () => {
  const trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET n = CASE WHEN 1 THEN 2 ELSE 3 END; DELETE FROM b; END";
  const cases: [string, string[]][] = [
    ["", []],
    [" ;; -- nothing;\n /* at; all */ ;", []],
    ["SELECT 1", ["SELECT 1"]],
    ["SELECT 1; SELECT 2;\n", ["SELECT 1", "SELECT 2"]],
    ["INSERT INTO t VALUES ('a;''b;', \";\", `;`, [;])", ["INSERT INTO t VALUES ('a;''b;', \";\", `;`, [;])"]],
    ["SELECT 1 -- one; two\n; /* x; */ SELECT 2", ["SELECT 1 -- one; two", "/* x; */ SELECT 2"]],
    [`${trigger}; SELECT 1;`, [trigger, "SELECT 1"]],
    [`${trigger.replace("CREATE", "create temp")}; SELECT 1`, [trigger.replace("CREATE", "create temp"), "SELECT 1"]],
    ["BEGIN; SELECT 1; END", ["BEGIN", "SELECT 1", "END"]],
    ["SELECT 'open; SELECT 2", ["SELECT 'open; SELECT 2"]],
    ["SELECT 1; /* open; SELECT 2", ["SELECT 1"]],
    ["SELECT 1; SELECT 2 /* open; SELECT 3", ["SELECT 1", "SELECT 2 /* open; SELECT 3"]],
  ];
  for (const [sql, statements] of cases) assert.deepEqual(splitStatements(sql), statements, sql);
});

test("marks that are never closed take no longer than other text", { timeout: 10_000 }, () => {
  for (const mark of ["[", "/*x", "'", "`x", "-- x", "CREATE TRIGGER "]) {
    const before = performance.now();
    splitStatements(mark.repeat(100_000));
    assert.ok(performance.now() - before < 3_000, `100,000 of "${mark}" took ${performance.now() - before} ms`);
  }
});
