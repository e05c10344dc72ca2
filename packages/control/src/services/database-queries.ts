import { type Databases, LongshoreError, type Statement, type StatementResult } from "@longshore/contract";
import { API_CODE, ApiError } from "../api/errors.js";
import { splitStatements } from "../model/sql-statements.js";

export interface Query {
  readonly sql: string;
  readonly params?: readonly unknown[] | null | undefined;
}

/**
 * Runs queries in one transaction, and gives a result for each statement in them.
 * Errors: `INVALID_INPUT` with SQLite's words; then nothing has changed.
 */
export async function runQueries(databases: Databases, id: string, queries: readonly Query[]): Promise<StatementResult[]> {
  const statements = queries.flatMap(statementsOf);
  if (statements.length === 0) throw new ApiError("INVALID_INPUT", API_CODE.DATABASE_REFUSED, "There is no SQL statement in the request.");
  try {
    return await databases.run(id, statements);
  } catch (error) {
    if (!(error instanceof LongshoreError && error.code === "INVALID_INPUT")) throw error;
    throw new ApiError("INVALID_INPUT", API_CODE.DATABASE_REFUSED, error.message, { cause: error });
  }
}

/** Parameters belong to one statement: which of several would be a guess. */
function statementsOf({ sql, params }: Query): Statement[] {
  const statements = splitStatements(sql);
  if (params == null || params.length === 0) return statements.map((each) => ({ sql: each }));
  if (statements.length > 1) {
    throw new ApiError("INVALID_INPUT", API_CODE.DATABASE_REFUSED, `A query with parameters has ${statements.length} statements.`, {
      hint: "Send each statement as a query of its own.",
    });
  }
  return statements.map((each) => ({ sql: each, params }));
}
