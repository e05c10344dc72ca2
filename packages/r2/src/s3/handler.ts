import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { R2Error, told } from "../errors.js";
import { answer } from "../http/body.js";
import type { R2Storage } from "../storage.js";
import {
  bucketLocation,
  bucketVersioning,
  createBucket,
  deleteBucket,
  deleteObjects,
  headBucket,
  listBuckets,
  listObjectsV1,
  listObjectsV2,
} from "./bucket-routes.js";
import { allowReading, answerPreflight, isPreflight } from "./cors.js";
import type { Route } from "./exchange.js";
import { deleteObject, getObject, putObject } from "./object-routes.js";
import { payloadOf } from "./payload.js";
import { deleteCors, deleteLifecycle, getCors, getLifecycle, putCors, putLifecycle } from "./settings-routes.js";
import { readClaims, targetOf, unescaped, verify } from "./signature.js";
import { abortUpload, completeUpload, createUpload, listParts, listUploads, putPart } from "./upload-routes.js";
import { xml } from "./xml.js";

/** What an access key may do. */
export interface S3Access {
  readonly secretAccessKey: string;
  readonly read: boolean;
  readonly write: boolean;
}

export interface S3Options {
  readonly storage: R2Storage;
  /** `undefined` for a key that is not known. */
  readonly access: (accessKeyId: string) => Promise<S3Access | undefined>;
  /** Host names, without ports, whose subdomains are buckets. Under other hosts a bucket is the first part of the path. */
  readonly hosts: readonly string[];
  readonly clock?: () => number;
}

/** By method, whether a key is there, and the subresource in the query; the first entry that fits. */
const ROUTES: readonly {
  readonly method: string;
  readonly of: "all" | "bucket" | "object";
  readonly sub?: string;
  readonly route: Route;
}[] = [
  { method: "GET", of: "all", route: listBuckets },
  { method: "GET", of: "bucket", sub: "location", route: bucketLocation },
  { method: "GET", of: "bucket", sub: "versioning", route: bucketVersioning },
  { method: "GET", of: "bucket", sub: "cors", route: getCors },
  { method: "PUT", of: "bucket", sub: "cors", route: putCors },
  { method: "DELETE", of: "bucket", sub: "cors", route: deleteCors },
  { method: "GET", of: "bucket", sub: "lifecycle", route: getLifecycle },
  { method: "PUT", of: "bucket", sub: "lifecycle", route: putLifecycle },
  { method: "DELETE", of: "bucket", sub: "lifecycle", route: deleteLifecycle },
  { method: "GET", of: "bucket", sub: "uploads", route: listUploads },
  { method: "GET", of: "bucket", sub: "list-type", route: listObjectsV2 },
  { method: "GET", of: "bucket", route: listObjectsV1 },
  { method: "HEAD", of: "bucket", route: headBucket },
  { method: "PUT", of: "bucket", route: createBucket },
  { method: "DELETE", of: "bucket", route: deleteBucket },
  { method: "POST", of: "bucket", sub: "delete", route: deleteObjects },
  { method: "GET", of: "object", sub: "uploadId", route: listParts },
  { method: "GET", of: "object", route: getObject },
  { method: "HEAD", of: "object", route: getObject },
  { method: "PUT", of: "object", sub: "partNumber", route: putPart },
  { method: "PUT", of: "object", route: putObject },
  { method: "POST", of: "object", sub: "uploads", route: createUpload },
  { method: "POST", of: "object", sub: "uploadId", route: completeUpload },
  { method: "DELETE", of: "object", sub: "uploadId", route: abortUpload },
  { method: "DELETE", of: "object", route: deleteObject },
];
/** Parts of S3 that R2 has not, or that are not here: to take such a request for one of the object or bucket itself would be a disaster. */
const NOT_SERVED = new Set(
  "accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold lifecycle logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore retention select tagging torrent versioning versions website".split(
    " ",
  ),
);

/** The S3 API. Requests are let in by AWS's signatures, version 4, in headers and in URLs. */
export function s3Handler(options: S3Options) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const requestId = randomBytes(8).toString("hex").toUpperCase();
    response.setHeader("x-amz-request-id", requestId);
    serve(options, request, response).catch((error: unknown) => fail(options, request, response, requestId, error));
  };
}

async function serve(options: S3Options, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = targetOf(request);
  // In a query a plus sign is one: clients escape spaces as %20.
  const query = new URLSearchParams(target.query.replaceAll("+", "%2B"));
  const { bucket, key } = placeOf(request, target.path, options.hosts);
  if (request.headers.origin !== undefined && bucket !== "") {
    const rules = (await options.storage.records.find(bucket))?.cors ?? [];
    // Browsers sign nothing but the request itself.
    if (isPreflight(request)) return answerPreflight(rules, request, response);
    allowReading(rules, request, response);
  }
  const claims = readClaims(request, query);
  const access = await options.access(claims.accessKeyId);
  if (access === undefined) throw new R2Error("InvalidAccessKeyId", undefined, { hint: '"longshore env --s3" shows one that is.' });
  verify(claims, request, target, access.secretAccessKey, (options.clock ?? Date.now)());
  const of = bucket === "" ? "all" : key === "" ? "bucket" : "object";
  const found = ROUTES.find((each) => each.method === request.method && each.of === of && (each.sub === undefined || query.has(each.sub)));
  const other = [...query.keys()].find((name) => NOT_SERVED.has(name) && name !== found?.sub);
  if (other !== undefined) throw new R2Error("NotImplemented", `S3's "${other}" is not served by Longshore.`);
  if (found === undefined) throw new R2Error("MethodNotAllowed");
  const reads = request.method === "GET" || request.method === "HEAD";
  if (!(reads ? access.read : access.write)) {
    throw new R2Error("AccessDenied", `The access key may not ${reads ? "read from" : "write to"} R2.`, {
      hint: `Make one that may: longshore token create --name <name> --scopes r2:${reads ? "read" : "write"}`,
    });
  }
  const payload = payloadOf(request, claims, access.secretAccessKey);
  await found.route({ storage: options.storage, request, response, query, bucket, key, payload });
}

function placeOf(request: IncomingMessage, path: string, hosts: readonly string[]): { bucket: string; key: string } {
  const host = (request.headers.host ?? "").toLowerCase().replace(/:\d+$/, "");
  const base = hosts.find((each) => host.endsWith(`.${each}`));
  const decoded = unescaped(path.slice(1));
  if (base !== undefined) return { bucket: host.slice(0, -base.length - 1), key: decoded };
  const slash = decoded.indexOf("/");
  return slash < 0 ? { bucket: decoded, key: "" } : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
}

function fail({ storage }: S3Options, request: IncomingMessage, response: ServerResponse, requestId: string, thrown: unknown): void {
  if (request.errored !== null || response.destroyed) return void response.destroy();
  const { status, s3, message } = told(thrown, "A request of the S3 API");
  if (status === 500)
    storage.log.error("a request of the S3 API failed", { error: thrown instanceof Error ? (thrown.stack ?? "") : String(thrown) });
  // Half an answer can only be broken off.
  if (response.headersSent) return void response.destroy();
  const resource = targetOf(request).path;
  const body = xml("Error", { Code: s3, Message: message, Resource: resource, RequestId: requestId });
  answer(
    request,
    response,
    status,
    { "content-type": "application/xml" },
    request.method === "HEAD" ? new Uint8Array() : Buffer.from(body),
  );
}
