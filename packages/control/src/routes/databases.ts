import type { StatementResult } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok, page } from "../api/envelope.js";
import { notServed } from "../api/errors.js";
import type { Database } from "../model/stores.js";
import { type Query, runQueries } from "../services/database-queries.js";
import type { Services } from "../services/services.js";

const created = z.looseObject({ name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, - and _") });
const query = z.object({ sql: z.string(), params: z.array(z.unknown()).nullish() });
const queries = z.union([query, z.object({ batch: z.array(query).min(1) })]);

/** The account's D1 databases, and SQL in them. */
export function databases({ stores, options }: Services): Hono {
  const run = async (request: Request, id: string): Promise<StatementResult[]> => {
    const { uuid } = await stores.database(id);
    const input = await readJson(request, queries);
    const list: readonly Query[] = "batch" in input ? input.batch : [input];
    return runQueries(options.databases, uuid, list);
  };
  return new Hono()
    .get("/d1/database", async (c) => {
      const wanted = c.req.query("name");
      const all = (await stores.databases()).filter(({ name }) => wanted === undefined || name === wanted);
      return page(all.map(view), (name) => c.req.query(name));
    })
    .post("/d1/database", async (c) => ok(view(await stores.createDatabase((await readJson(c.req.raw, created)).name))))
    .get("/d1/database/:database", async (c) => {
      const database = await stores.database(c.req.param("database"));
      const [tables] = await options.databases.run(database.uuid, [{ sql: TABLES }]);
      return ok({ ...view(database), num_tables: tables?.rows[0]?.[0] ?? 0, file_size: tables?.meta.size_after ?? 0 });
    })
    .delete("/d1/database/:database", async (c) => {
      await stores.deleteDatabase(c.req.param("database"));
      return ok(null);
    })
    .on(["GET", "POST"], ["/d1/database/:database/time_travel/bookmark", "/d1/database/:database/time_travel/restore"], async (c) => {
      const { name } = await stores.database(c.req.param("database"));
      throw notServed("Time Travel of a D1 database", `Keep copies of your own: \`wrangler d1 export ${name}\`, or \`longshore backup\`.`);
    })
    .post("/d1/database/:database/query", async (c) => {
      const results = await run(c.req.raw, c.req.param("database"));
      return ok(results.map(({ columns, rows, meta }) => ({ results: rows.map((row) => named(columns, row)), success: true, meta })));
    })
    .post("/d1/database/:database/raw", async (c) => {
      const results = await run(c.req.raw, c.req.param("database"));
      return ok(results.map(({ columns, rows, meta }) => ({ results: { columns, rows }, success: true, meta })));
    });
}

/** Without SQLite's own tables and workerd's. */
const TABLES =
  "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";

function view({ uuid, name, createdOn }: Database): Record<string, unknown> {
  return { uuid, name, created_at: createdOn, version: "production", read_replication: { mode: "disabled" }, jurisdiction: null };
}

function named(columns: readonly string[], row: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(columns.map((column, index) => [column, row[index]]));
}
