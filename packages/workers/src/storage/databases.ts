import { type Databases, type ExportOptions, LongshoreError, type Statement, type StatementResult } from "@longshore/contract";
import type { StorageProcess } from "./storage-process.js";

/** What workerd's D1 takes for "export". */
const EXPORT_STATEMENT = "PRAGMA miniflare_d1_export(?,?,?);";

type Answer =
  | { readonly success: false; readonly error: string }
  | readonly { readonly results: { readonly columns: string[]; readonly rows: unknown[][] }; readonly meta: Record<string, unknown> }[];

/** {@link Databases} in the storage process, in the protocol that workerd's D1 bindings speak. */
export class StoredDatabases implements Databases {
  readonly #process: StorageProcess;

  constructor(process: StorageProcess) {
    this.#process = process;
  }

  async run(database: string, statements: readonly Statement[]): Promise<StatementResult[]> {
    const answer = (await this.#post(database, statements, "?resultsFormat=ROWS_AND_COLUMNS")) as Answer;
    if ("error" in answer) throw new LongshoreError("INVALID_INPUT", answer.error);
    return answer.map(({ results, meta }) => ({ columns: results.columns, rows: results.rows, meta }));
  }

  async export(database: string, { noSchema, noData, tables }: ExportOptions): Promise<string[]> {
    const statement = { sql: EXPORT_STATEMENT, params: [noSchema, noData, ...tables] };
    const answer = (await this.#post(database, [statement], "")) as { error: string } | [{ results: [string[]] }];
    if ("error" in answer) throw new LongshoreError("INVALID_INPUT", answer.error);
    return answer[0].results[0];
  }

  async destroy(database: string): Promise<void> {
    await this.#process.request({ store: { kind: "d1", id: database }, method: "POST", path: "/", command: "destroy" });
  }

  async #post(database: string, statements: readonly Statement[], query: string): Promise<unknown> {
    const { body } = await this.#process.request({
      store: { kind: "d1", id: database },
      method: "POST",
      path: `/query${query}`,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(statements),
    });
    return JSON.parse(body.toString());
  }
}
