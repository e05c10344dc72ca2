import type { LongshoreError } from "@longshore/contract";
import { apiCodeOf, ContainersError } from "./errors.js";

export type ResultInfo = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The success envelope around a result. */
export function ok(result: unknown, info?: ResultInfo, status = 200): Response {
  const body = { success: true, errors: [], messages: [], result, ...(info === undefined ? {} : { result_info: info }) };
  return Response.json(body, { status });
}

/** The failure envelope. Clients decide on `errors[0].code`; people read `errors[0].message`. */
export function failure(error: LongshoreError): Response {
  const body = {
    success: false,
    errors: [{ code: apiCodeOf(error), message: error.text, ...(error.details === undefined ? {} : { meta: error.details }) }],
    messages: [],
    result: null,
  };
  return Response.json(body, { status: error.status });
}

/** The failure envelope of the containers API, whose clients keep only `errors[0].message` and print the JSON that they expect in it. */
export function containersFailure(error: LongshoreError): Response {
  const message =
    error instanceof ContainersError
      ? { error: error.error, details: withHint(error.fields, error.hint) }
      : { error: error.code === "INVALID_INPUT" ? "VALIDATE_INPUT" : error.code, details: withHint({ reason: error.message }, error.hint) };
  const body = { success: false, errors: [{ code: apiCodeOf(error), message: JSON.stringify(message) }], messages: [], result: null };
  // These clients know 400 for input that cannot be accepted, and print other statuses as a failure of the server.
  return Response.json(body, { status: error.code === "UNSUPPORTED" ? 400 : error.status });
}

/** One page of `items` by `page` and `per_page`; a page past the end is empty, which is what ends some clients' loops. */
export function page(items: readonly unknown[], query: (name: string) => string | undefined, perPageDefault = 100): Response {
  const perPage = positive(query("per_page"), perPageDefault);
  const number = positive(query("page"), 1);
  const slice = items.slice((number - 1) * perPage, number * perPage);
  return ok(slice, { page: number, per_page: perPage, count: slice.length, total_count: items.length });
}

/** One page of the containers API: `next_page_token` is the offset of the next page, absent after the last. */
export function tokenPage<T>(items: readonly T[], query: (name: string) => string | undefined): { items: T[]; info: ResultInfo } {
  const perPage = positive(query("per_page"), Math.max(items.length, 1));
  const start = positive(query("page_token"), 0);
  const end = start + perPage;
  const info: ResultInfo = { total_count: items.length, ...(end < items.length ? { next_page_token: String(end) } : {}) };
  return { items: items.slice(start, end), info };
}

function positive(text: string | undefined, fallback: number): number {
  const value = Number(text);
  return text !== undefined && Number.isSafeInteger(value) && value > 0 ? value : fallback;
}

function withHint(fields: Readonly<Record<string, string>>, hint: string | undefined): Record<string, string> {
  return hint === undefined ? { ...fields } : { ...fields, hint };
}
