import type { HttpFields, ObjectFacts, StoredObject } from "@longshore/contract";
import { type Condition, parseEtags } from "../conditions.js";
import { R2Error } from "../errors.js";
import { definedFields } from "../facts.js";
import { type Exchange, header, quoted } from "./exchange.js";

const META = "x-amz-meta-";
const CLASSES: Readonly<Record<string, string>> = { STANDARD: "Standard", STANDARD_IA: "InfrequentAccess" };
/** What may stand in a header, as bytes. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What a request says about the object that it writes. Errors: `InvalidArgument` for a storage class that is not known. */
export function factsOf(exchange: Exchange): ObjectFacts {
  const httpFields = definedFields({
    contentType: header(exchange, "content-type"),
    contentLanguage: header(exchange, "content-language"),
    contentDisposition: header(exchange, "content-disposition"),
    contentEncoding: encodingOf(header(exchange, "content-encoding")),
    cacheControl: header(exchange, "cache-control"),
    cacheExpiry: dateOf(header(exchange, "expires")),
  });
  const customFields: Record<string, string> = {};
  for (const name of Object.keys(exchange.request.headers)) {
    if (name.startsWith(META)) customFields[name.slice(META.length)] = header(exchange, name) ?? "";
  }
  const asked = header(exchange, "x-amz-storage-class");
  return { httpFields, customFields, ...(asked === undefined ? {} : { storageClass: storageClassIn(asked) }) };
}

/** The storage class that S3 calls so. Errors: `InvalidArgument`. */
export function storageClassIn(name: string): string {
  const storageClass = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
  if (storageClass === undefined) throw new R2Error("InvalidArgument", `There is no storage class ${JSON.stringify(name)}.`);
  return storageClass;
}

/** `aws-chunked` says how the body travels, not what it is. */
function encodingOf(encoding: string | undefined): string | undefined {
  const kept = encoding?.split(/\s*,\s*/).filter((each) => each !== "" && each.toLowerCase() !== "aws-chunked");
  return kept === undefined || kept.length === 0 ? undefined : kept.join(", ");
}

function dateOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}

export const storageClassName = (name: string): string => Object.keys(CLASSES).find((each) => CLASSES[each] === name) ?? "STANDARD";

/** The headers that an object is sent with. */
export function objectHeaders({ etag, uploaded, httpFields, customFields, storageClass }: StoredObject): Record<string, string> {
  const fields: Record<string, string | undefined> = {
    ...fieldHeaders(httpFields),
    etag: quoted(etag),
    "last-modified": new Date(uploaded).toUTCString(),
    "accept-ranges": "bytes",
    "x-amz-storage-class": storageClassName(storageClass),
  };
  fields["content-type"] ??= "application/octet-stream";
  for (const [name, value] of Object.entries(customFields)) {
    if (/^[\w.!#$%&'*+^`|~-]+$/.test(name)) fields[META + name] = value;
  }
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    const bytes = value === undefined ? undefined : Buffer.from(value, "utf8").toString("latin1");
    if (bytes !== undefined && HEADER_TEXT.test(bytes)) sent[name] = bytes;
  }
  return sent;
}

function fieldHeaders(fields: HttpFields): Record<string, string | undefined> {
  return {
    "content-type": fields.contentType,
    "content-language": fields.contentLanguage,
    "content-disposition": fields.contentDisposition,
    "content-encoding": fields.contentEncoding,
    "cache-control": fields.cacheControl,
    expires: fields.cacheExpiry === undefined ? undefined : new Date(fields.cacheExpiry).toUTCString(),
  };
}

/** The condition in a request's headers; `prefix` tells those of a copy's source from those of its target. */
export function conditionIn(exchange: Exchange, prefix = ""): Condition | undefined {
  const [match, none] = [header(exchange, `${prefix}if-match`), header(exchange, `${prefix}if-none-match`)];
  const since = dateOf(header(exchange, `${prefix}if-modified-since`));
  const unmodified = dateOf(header(exchange, `${prefix}if-unmodified-since`));
  if (match === undefined && none === undefined && since === undefined && unmodified === undefined) return undefined;
  return {
    secondsGranularity: true,
    ...(match === undefined ? {} : { etagMatches: parseEtags(match) }),
    ...(none === undefined ? {} : { etagDoesNotMatch: parseEtags(none) }),
    ...(since === undefined ? {} : { uploadedAfter: since }),
    // "Not modified since" takes in the second itself, as R2's `uploadedBefore` does not.
    ...(unmodified === undefined ? {} : { uploadedBefore: unmodified + 1000 }),
  };
}
