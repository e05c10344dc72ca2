import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { RegistryImageSource } from "@longshore/engine";
import { readRegistries, registriesSchema } from "./registries.js";
import { AwsTokenService } from "./testing/aws-token-service.js";
import { TestRegistry } from "./testing/test-registry.js";

const HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const fails = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof LongshoreError && error.code === code && message.test(error.message);

/** A registry that knows the passwords of a token service, and how to pull from it. */
async function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "longshore-ecr-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const tokens = await AwsTokenService.listen(KEY);
  t.after(() => tokens[Symbol.asyncDispose]());
  const registry = await TestRegistry.listen(join(directory, "registry"), (username, password) => tokens.accepts(username, password));
  t.after(() => registry[Symbol.asyncDispose]());
  const digest = await registry.addImage("team/app:1");
  let opened = 0;
  const open = async (settings: Record<string, unknown>, host = registry.host) => {
    const registries = readRegistries(
      registriesSchema.parse({
        // An Amazon registry by its own name, led here.
        [HOST]: { mirror: registry.host },
        [host]: { insecure: true, endpoint: tokens.endpoint, region: "eu-central-1", ...settings },
      }),
    );
    const source = await RegistryImageSource.open({ directory: join(directory, `pulled-${++opened}`), registries });
    t.after(() => source[Symbol.asyncDispose]());
    return source;
  };
  return { directory, tokens, registry, digest, open };
}

test("an Amazon registry's password is made with a signed request, used for everything, and made again when it expires", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const { directory, tokens, registry, digest, open } = await setUp(t);
  writeFileSync(join(directory, "key"), `${KEY.secretAccessKey}\n`);
  const source = await open({ accessKeyId: KEY.accessKeyId, secretAccessKeyFile: join(directory, "key") });
  const found = await Promise.all([1, 2, 3].map(() => source.manifest(`${HOST}/team/app:1`)));
  assert.ok(found.every((each) => each?.digest === digest));
  const config = registry.configOf(digest);
  const blob = await source.blob(config.digest, `${HOST}/team/app:1`);
  assert.ok(blob !== undefined);
  assert.equal(
    `sha256:${createHash("sha256")
      .update(await buffer(blob))
      .digest("hex")}`,
    config.digest,
  );
  assert.equal(tokens.made, 1);
  t.mock.timers.tick(12 * 3600_000);
  assert.equal((await source.manifest(`${HOST}/team/app:1`))?.digest, digest);
  assert.equal(tokens.made, 2);
  // Taken back before its time: the registry's refusal is enough to ask for another.
  t.mock.timers.tick(60_000);
  tokens.revoke();
  assert.equal((await source.manifest(`${HOST}/team/app:1`))?.digest, digest);
  assert.equal(tokens.made, 3);
});

test("a temporary key; wrong keys and a service that is away are told apart", async (t) => {
  const { tokens, registry, digest, open } = await setUp(t);
  const image = `${registry.host}/team/app:1`;
  tokens.sessionToken = "temporary";
  assert.equal((await (await open({ ...KEY, sessionToken: "temporary" })).manifest(image))?.digest, digest);
  await assert.rejects((await open(KEY)).manifest(image), fails("UNAUTHORIZED", /UnrecognizedClientException/));
  const wrong = await open({ ...KEY, sessionToken: "temporary", secretAccessKey: "wrong" });
  await assert.rejects(wrong.manifest(image), fails("UNAUTHORIZED", /gives no password .*InvalidSignatureException/));
  const elsewhere = await open({ ...KEY, sessionToken: "temporary", region: "eu-west-1" });
  await assert.rejects(elsewhere.manifest(image), fails("UNAUTHORIZED", /InvalidSignatureException/));
  const away = await open({ ...KEY, endpoint: "http://127.0.0.1:9/" });
  await assert.rejects(away.manifest(image), fails("UNAVAILABLE", /127\.0\.0\.1:9, which has the passwords/));
  const nowhere = readRegistries(registriesSchema.parse({ [registry.host]: { ...KEY, insecure: true } }));
  await using source = await RegistryImageSource.open({ directory: mkdtempIn(t), registries: nowhere });
  await assert.rejects(source.manifest(image), fails("INVALID_INPUT", /where its passwords come from is not known/));
});

function mkdtempIn(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "longshore-ecr-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
