import assert from "node:assert/strict";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { TestStorage } from "../testing/storage.js";
import { bindingHandler } from "./handler.js";

const RUNS = 500;
const METHODS = "head get put list delete createMultipartUpload uploadPart completeMultipartUpload abortMultipartUpload other".split(" ");
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom("key", "", "x".repeat(2000), "0", "18446744073709551615", -1, 1e300),
);
const member = <T>(right: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: right }, anything);
const key = member(fc.constantFrom("key", "a/b", "ü", "x".repeat(1024)));
const fields = {
  version: fc.constant(1),
  method: fc.constantFrom(...METHODS),
  object: key,
  objects: member(fc.array(key, { maxLength: 3 })),
  range: member(fc.record({ offset: anything, length: anything, suffix: anything }, { requiredKeys: [] })),
  rangeHeader: member(fc.constantFrom("bytes=0-1", "bytes=-1", "bytes=9-")),
  onlyIf: member(fc.record({ etagMatches: anything, uploadedBefore: anything, secondsGranularity: anything }, { requiredKeys: [] })),
  customFields: member(fc.array(fc.record({ k: fc.string(), v: fc.string() }), { maxLength: 2 })),
  httpFields: member(fc.record({ contentType: anything, cacheExpiry: anything }, { requiredKeys: [] })),
  md5: anything,
  limit: member(fc.constantFrom(1, 1000, 0)),
  prefix: key,
  cursor: key,
  delimiter: member(fc.constantFrom("/", "")),
  startAfter: key,
  include: member(fc.constantFrom([], [0], [0, 1])),
  uploadId: member(fc.constantFrom("a".repeat(32), "../../x")),
  partNumber: member(fc.constantFrom(0, 1, 10_001)),
  parts: member(fc.array(fc.record({ part: member(fc.constant(1)), etag: key }), { maxLength: 2 })),
  storageClass: key,
};
const requests = fc.record({
  http: fc.constantFrom("GET", "PUT", "POST"),
  json: fc.oneof({ weight: 9, arbitrary: fc.record(fields, { requiredKeys: ["method", "object"] }) }, fc.jsonValue()),
  value: fc.string({ maxLength: 100 }),
  size: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, fc.constantFrom("-1", "x", "5", "99999999999")),
});

let under: TestStorage;
let server: Server;
before(async () => {
  under = await TestStorage.open();
  await under.storage.createBucket("box");
  server = createServer(bindingHandler(under.storage, () => "box"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await under[Symbol.asyncDispose]();
});

test("nothing that a binding could send makes the server fail, or hang", async () => {
  const property = fc.asyncProperty(requests, async ({ http, json, value, size }) => {
    const metadata = Buffer.from(JSON.stringify(json));
    const body = http === "PUT" ? Buffer.concat([metadata, Buffer.from(value)]) : Buffer.alloc(0);
    const header = metadata.toString("latin1").replace(/[^\x20-\x7e\x80-\xff]/g, "");
    const headers =
      http === "PUT"
        ? { "cf-r2-metadata-size": size ?? String(metadata.length), "content-length": body.length }
        : { "cf-r2-request": header };
    const outgoing = request({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, method: http, headers });
    outgoing.end(body);
    const status = await new Promise<number>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        buffer(response).then(() => resolve(response.statusCode ?? 0), reject);
      });
    });
    assert.ok(status >= 200 && (status < 500 || status === 501), `${status}`);
    assert.deepEqual(under.errors, []);
  });
  await fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS, timeout: 60_000 });
});
