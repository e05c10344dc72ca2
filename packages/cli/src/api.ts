import { type ErrorCode, LongshoreError, STATUS_OF_CODE } from "@longshore/contract";
import type { Presence } from "@longshore/server";
import { z } from "zod";

const DEADLINE_MS = 60_000;

const failed = z.object({ success: z.literal(false), errors: z.array(z.object({ message: z.string() })).min(1) });

/**
 * Asks the installation's API, as its owner; `path` is relative to the account. Resolves to the answer's result.
 * Errors: `UNAVAILABLE` when it does not answer, and what it says in its own words.
 */
export async function callApi<T>(presence: Presence, method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
  const response = await fetch(`${presence.apiUrl}/accounts/${presence.accountId}${path}`, {
    method,
    headers: { authorization: `Bearer ${presence.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).catch((cause: unknown) => {
    throw new LongshoreError("UNAVAILABLE", `The API at ${presence.apiUrl} does not answer.`, {
      cause,
      hint: "The server may be restarting: try again in a moment. Its log is logs/server.log in the data directory.",
    });
  });
  const answer: unknown = await response.json();
  const failure = failed.safeParse(answer);
  if (failure.success)
    throw new LongshoreError(codeOf(response.status), failure.data.errors.map(({ message }) => plain(message)).join(" "));
  return z.object({ result: schema }).parse(answer).result as T;
}

function codeOf(status: number): ErrorCode {
  return (Object.keys(STATUS_OF_CODE) as ErrorCode[]).find((code) => STATUS_OF_CODE[code] === status) ?? "INTERNAL";
}

const details = z.object({ error: z.string(), details: z.record(z.string(), z.string()) });

/** The containers API puts JSON into its messages, for the clients that it has. */
function plain(message: string): string {
  try {
    const parsed = details.safeParse(JSON.parse(message));
    return parsed.success ? `${parsed.data.error}: ${Object.values(parsed.data.details).join(" ")}` : message;
  } catch {
    return message;
  }
}
