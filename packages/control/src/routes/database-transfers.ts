import { createHash } from "node:crypto";
import { type ExportOptions, LongshoreError } from "@longshore/contract";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { readBody, readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { runQueries } from "../services/database-queries.js";
import type { Services } from "../services/services.js";

/** The largest SQL file that is taken. It is held in memory while it runs, since it happens as a whole or not at all. */
const IMPORT_LIMIT = 128 * 1024 * 1024;

const imports = z.discriminatedUnion("action", [
  z.looseObject({ action: z.literal("init"), etag: z.string() }),
  z.looseObject({ action: z.literal("ingest"), etag: z.string(), filename: z.string() }),
  z.looseObject({ action: z.literal("poll"), current_bookmark: z.string() }),
]);
const exports = z.looseObject({
  dump_options: z
    .object({ no_schema: z.boolean().nullish(), no_data: z.boolean().nullish(), tables: z.array(z.string()).nullish() })
    .nullish(),
});

/** SQL files into a database and out of it. The work is done when the answer comes, so clients never have to ask again. */
export function databaseFiles(services: Services): Hono {
  const { stores, options, transfers } = services;
  return new Hono()
    .post("/d1/database/:database/import", async (c) => {
      const { uuid } = await stores.database(c.req.param("database"));
      const input = await readJson(c.req.raw, imports);
      if (input.action === "init") {
        const filename = await transfers.begin("");
        return ok({ upload_url: transferUrl(c, filename), filename });
      }
      if (input.action === "poll") throw new LongshoreError("NOT_FOUND", "No import is under way.", { hint: "Begin again." });
      return ok(await ingest(services, uuid, input.filename, input.etag));
    })
    .post("/d1/database/:database/export", async (c) => {
      const { uuid, name } = await stores.database(c.req.param("database"));
      const statements = await options.databases.export(uuid, exportOptions(await readJson(c.req.raw, exports)));
      const filename = await transfers.begin(`${statements.join("\n")}\n`);
      const result = { filename: `${name}.sql`, signed_url: transferUrl(c, filename) };
      return ok({ success: true, type: "export", status: "complete", at_bookmark: BOOKMARK, messages: [], result });
    });
}

/** Where the files themselves go. Their tokens are all that clients send here: this comes before the account's token is asked for. */
export function databaseTransfers({ transfers }: Services): Hono {
  return new Hono()
    .put("/d1-transfers/:token", async (c) => {
      // Before anything of the body is taken into memory: who sends it has shown nothing else.
      await transfers.assertOpen(c.req.param("token"));
      const bytes = await readBody(c.req.raw, IMPORT_LIMIT);
      await transfers.put(c.req.param("token"), bytes);
      return new Response(null, { headers: { etag: `"${md5(bytes)}"` } });
    })
    .get("/d1-transfers/:token", async (c) => {
      const bytes = await transfers.get(c.req.param("token"));
      return new Response(new Uint8Array(bytes), { headers: { "content-type": "application/sql" } });
    });
}

/** There is one copy of a database, and no way back in time: a bookmark says nothing. */
const BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000";

async function ingest(
  { options, transfers }: Services,
  database: string,
  filename: string,
  etag: string,
): Promise<Record<string, unknown>> {
  const bytes = await transfers.get(filename);
  if (md5(bytes) !== etag) {
    throw new LongshoreError("INVALID_INPUT", "The file that was uploaded is not the one that was announced.", { hint: "Try again." });
  }
  const began = performance.now();
  const results = await runQueries(options.databases, database, [{ sql: bytes.toString() }]);
  await transfers.end(filename);
  const meta = {
    ...results.at(-1)?.meta,
    duration: performance.now() - began,
    rows_read: total(results, "rows_read"),
    rows_written: total(results, "rows_written"),
    changes: total(results, "changes"),
  };
  const result = { num_queries: results.length, final_bookmark: BOOKMARK, meta };
  return { success: true, type: "import", status: "complete", at_bookmark: BOOKMARK, messages: [], result };
}

function total(results: readonly { readonly meta: Readonly<Record<string, unknown>> }[], key: string): number {
  return results.reduce((sum, { meta }) => sum + (typeof meta[key] === "number" ? meta[key] : 0), 0);
}

function exportOptions({ dump_options: given }: z.infer<typeof exports>): ExportOptions {
  return { noSchema: given?.no_schema === true, noData: given?.no_data === true, tables: given?.tables ?? [] };
}

/** At the address by which the client reached the API. */
function transferUrl(c: Context, token: string): string {
  return new URL(`/client/v4/d1-transfers/${token}`, c.req.url).href;
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
