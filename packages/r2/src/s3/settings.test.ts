import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  DeleteBucketCorsCommand,
  DeleteBucketLifecycleCommand,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { KEYS, S3Server } from "../testing/s3-server.js";

const DAY_MS = 24 * 3600_000;
const PAGE = "https://app.example";

let server: S3Server;
let s3: S3Client;
before(async () => {
  server = await S3Server.start();
  const endpoint = `http://127.0.0.1:${server.port}`;
  s3 = new S3Client({ endpoint, region: "auto", forcePathStyle: true, maxAttempts: 1, credentials: KEYS.owner });
  await server.under.storage.createBucket("box");
});
after(async () => {
  s3.destroy();
  await server[Symbol.asyncDispose]();
});

/** A request as a browser sends it, which says what it likes as its origin. */
async function browser(method: string, url: string, headers: Record<string, string>, body?: string) {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
}

test("CORS: a page may do what a rule says, from where it says; without one nothing", async () => {
  const Bucket = "box";
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "from page" }), { expiresIn: 60 });
  const preflight = (origin: string, method = "PUT", names = "content-type, x-amz-meta-a") =>
    browser("OPTIONS", url, { origin, "access-control-request-method": method, "access-control-request-headers": names });
  assert.equal((await preflight(PAGE)).status, 403);
  await assert.rejects(s3.send(new GetBucketCorsCommand({ Bucket })), { name: "NoSuchCORSConfiguration" });

  const rule = {
    AllowedOrigins: [PAGE, "http://*.dev.example"],
    AllowedMethods: ["PUT", "GET"],
    AllowedHeaders: ["Content-Type", "x-amz-meta-*"],
    ExposeHeaders: ["ETag"],
    MaxAgeSeconds: 600,
  };
  await s3.send(
    new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [rule, { AllowedOrigins: ["*"], AllowedMethods: ["HEAD"] }] } }),
  );
  const { CORSRules } = await s3.send(new GetBucketCorsCommand({ Bucket }));
  assert.deepEqual([CORSRules?.length, CORSRules?.[0]], [2, rule]);

  const allowed = await preflight(PAGE);
  assert.deepEqual([allowed.status, allowed.text], [200, ""]);
  assert.equal(allowed.headers["access-control-allow-origin"], PAGE);
  assert.equal(allowed.headers["access-control-allow-methods"], "PUT, GET");
  assert.equal(allowed.headers["access-control-allow-headers"], "content-type, x-amz-meta-a");
  assert.equal(allowed.headers["access-control-max-age"], "600");
  assert.match(String(allowed.headers.vary), /Origin/);
  assert.equal((await preflight("http://a.dev.example")).headers["access-control-allow-origin"], "http://a.dev.example");
  assert.equal((await preflight("https://other.example", "HEAD", "")).headers["access-control-allow-origin"], "*");
  for (const [origin, method, names] of [
    ["https://other.example", "PUT", ""],
    [`${PAGE}.evil.example`, "PUT", ""],
    ["http://dev.example", "PUT", ""],
    [PAGE, "DELETE", ""],
    [PAGE, "PUT", "x-other"],
    ["https://other.example", "HEAD", "x-any"],
  ] as const) {
    const refused = await preflight(origin, method, names);
    assert.deepEqual([refused.status, refused.headers["access-control-allow-origin"]], [403, undefined], `${origin} ${method} ${names}`);
  }

  const put = await browser("PUT", url, { origin: PAGE }, "value");
  assert.deepEqual([put.status, put.headers["access-control-allow-origin"]], [200, PAGE]);
  assert.equal(put.headers["access-control-expose-headers"], "ETag");
  const unsigned = await browser("GET", url.replace(/\?.*/, ""), { origin: PAGE });
  assert.deepEqual([unsigned.status, unsigned.headers["access-control-allow-origin"]], [403, PAGE], "a page can read why");
  assert.equal((await browser("PUT", url, { origin: "https://other.example" }, "value")).headers["access-control-allow-origin"], undefined);
  await s3.send(new DeleteBucketCorsCommand({ Bucket }));
  assert.equal((await preflight(PAGE)).status, 403);
});

test("lifecycle rules of an S3 client are kept, shown, and done", async () => {
  const Bucket = "box";
  const shown = async () => (await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules;
  assert.deepEqual((await shown())?.[0]?.AbortIncompleteMultipartUpload, { DaysAfterInitiation: 7 });
  const Rules: LifecycleRule[] = [
    { ID: "logs", Status: "Enabled", Filter: { Prefix: "logs/" }, Expiration: { Days: 2 } },
    { ID: "cold", Status: "Disabled", Filter: { Prefix: "" }, Transitions: [{ Days: 1, StorageClass: "STANDARD_IA" }] },
  ];
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
  assert.deepEqual(await shown(), Rules);
  for (const Key of ["logs/a", "kept"]) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  server.under.now = Date.now() + 3 * DAY_MS;
  await server.under.storage.sweep();
  server.under.now = undefined;
  assert.deepEqual(
    (await server.under.storage.list(Bucket, {})).objects.map(({ key }) => key),
    ["from page", "kept"],
  );
  const filtered = { ID: "x", Status: "Enabled", Filter: { Tag: { Key: "a", Value: "b" } }, Expiration: { Days: 1 } } as const;
  const refused = s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [filtered] } }));
  await assert.rejects(refused, { name: "MalformedXML" });
  await s3.send(new DeleteBucketLifecycleCommand({ Bucket }));
  await assert.rejects(shown(), { name: "NoSuchLifecycleConfiguration" });
});
