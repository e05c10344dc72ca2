import { LongshoreError } from "@longshore/contract";
import type { z } from "zod";
import { API_CODE, ApiError } from "./errors.js";

const JSON_LIMIT = 4 * 1024 * 1024;
const DEEPEST_JSON = 200;

/** How much of a body that is too large is read on, so that the client gets to see the answer instead of a closed connection. */
const DRAIN_FACTOR = 4;

/** The request's body, at most `limit` bytes. Errors: `TOO_LARGE`. */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else if (size > limit * DRAIN_FACTOR) break;
  }
  if (size > limit) {
    throw new ApiError(
      "TOO_LARGE",
      API_CODE.SCRIPT_TOO_LARGE,
      `The request's body is larger than ${limit} bytes, the most that is accepted here.`,
      {
        hint: "Make the upload smaller: leave out what the Worker does not use, or move data out of the bundle.",
      },
    );
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** The request's JSON body in the shape of `schema`. Errors: `INVALID_INPUT` that names each field, `TOO_LARGE`. */
export async function readJson<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  const text = new TextDecoder().decode(await readBody(request, JSON_LIMIT));
  return checked(parseJson(text, "The request's body"), schema, "The request's body");
}

/** Errors: `INVALID_INPUT`. `what` starts the sentence. */
export function parseJson(text: string, what: string): unknown {
  // What reads and writes JSON goes into itself for each level, and would run out of stack.
  if (nestsDeeperThan(text, DEEPEST_JSON))
    throw new LongshoreError("INVALID_INPUT", `${what} is nested deeper than ${DEEPEST_JSON} levels.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LongshoreError("INVALID_INPUT", `${what} is not JSON.`, { cause: error });
  }
}

/** True when more brackets are open somewhere, those in strings left out, than `limit`. */
function nestsDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString && character === "\\") at++;
    else if (character === '"') inString = !inString;
    else if (inString) continue;
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (depth > limit) return true;
  }
  return false;
}

/** `value` in the shape of `schema`. Errors: `INVALID_INPUT` that names each field. */
export function checked<T>(value: unknown, schema: z.ZodType<T>, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 10).map((issue) => `${issue.path.join(".") || "(whole)"}: ${issue.message}`);
  throw new LongshoreError("INVALID_INPUT", `${what} does not have the right form. ${issues.join("; ")}.`, { cause: result.error });
}

/** The request's `multipart/form-data` body. Errors: `INVALID_INPUT`, `TOO_LARGE`. */
export async function readForm(request: Request, limit: number): Promise<FormData> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw new LongshoreError("INVALID_INPUT", `The request's body is "${type}", and multipart/form-data is needed here.`);
  }
  const body = await readBody(request, limit);
  try {
    return await new Response(body, { headers: { "content-type": type } }).formData();
  } catch (error) {
    throw new LongshoreError("INVALID_INPUT", "The request's body is not well-formed multipart/form-data.", { cause: error });
  }
}
