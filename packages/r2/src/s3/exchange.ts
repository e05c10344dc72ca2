import type { IncomingMessage, ServerResponse } from "node:http";
import type { BucketRecord } from "../buckets.js";
import { R2Error } from "../errors.js";
import { answer } from "../http/body.js";
import type { R2Storage } from "../storage.js";
import type { Payload } from "./payload.js";
import { type Tree, xml } from "./xml.js";

/** A request that has been let in, and what it is about. */
export interface Exchange {
  readonly storage: R2Storage;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Empty where the request is about all buckets. */
  readonly bucket: string;
  /** Empty where the request is about the bucket. */
  readonly key: string;
  readonly payload: Payload;
}

export type Route = (exchange: Exchange) => Promise<void>;

/** A header's text: Node.js shows its bytes as Latin-1, and clients mean UTF-8. */
export function header({ request }: Pick<Exchange, "request">, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? Buffer.from(value, "latin1").toString("utf8") : undefined;
}

export function recordOf({ storage, bucket }: Exchange): Promise<BucketRecord> {
  return storage.records.get(bucket);
}

export function sendXml({ request, response }: Exchange, root: string, tree: Tree): void {
  answer(request, response, 200, { "content-type": "application/xml" }, Buffer.from(xml(root, tree)));
}

export function sendNothing({ request, response }: Exchange, status: number, headers: Record<string, string | number> = {}): void {
  answer(request, response, status, headers);
}

/** A whole number in the query. Errors: `InvalidArgument`. */
export function numberIn({ query }: Exchange, name: string, otherwise: number): number {
  const text = query.get(name);
  if (text === null || text === "") return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new R2Error("InvalidArgument", `${name} must be a whole number.`);
  return value;
}

export const isoDate = (ms: number): string => new Date(ms).toISOString();
export const quoted = (etag: string): string => `"${etag}"`;
