// The OCI distribution specification 1.1 as tables of facts, named after its sections. Every fact is checked with the digests it may be used with.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import { ACCOUNT, OCI_INDEX, OCI_MANIFEST, startRegistry, type TestRegistry } from "../fixture-registry.js";

export const ALGORITHMS = ["sha256", "sha512"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface Expected {
  readonly status: number;
  /** A text is the whole value, a pattern what it must contain, `undefined` says that there is no such header. */
  readonly headers?: Readonly<Record<string, string | RegExp | undefined>>;
  readonly body?: Buffer;
  /** The first error's code. */
  readonly code?: string;
}

export interface Sent {
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
}

/** What a case is given: a registry that others use too, two repositories of its own, and an algorithm. */
export class Case {
  readonly repository = `${ACCOUNT}/conformance/${randomBytes(6).toString("hex")}`;
  readonly other = `${this.repository}-other`;
  readonly registry: TestRegistry;
  readonly algorithm: Algorithm;

  constructor(registry: TestRegistry, algorithm: Algorithm) {
    this.registry = registry;
    this.algorithm = algorithm;
  }

  digest(bytes: Buffer | string): string {
    return `${this.algorithm}:${createHash(this.algorithm).update(bytes).digest("hex")}`;
  }

  /** Sends a request to `path`, under `/v2/` or as a Location gives it, and checks the answer. */
  async expect(method: string, path: string, expected: Expected, { headers = {}, body }: Sent = {}): Promise<Response> {
    const response = await this.registry.request(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }),
    });
    const bytes = Buffer.from(await response.clone().arrayBuffer());
    const said = `${method} ${path}: ${response.status} ${bytes.subarray(0, 300)}`;
    assert.equal(response.status, expected.status, said);
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      const found = response.headers.get(name) ?? undefined;
      if (value instanceof RegExp) assert.match(found ?? "", value, `${said}, ${name}`);
      else assert.equal(found, value, `${said}, ${name}`);
    }
    if (expected.body !== undefined) assert.ok(bytes.equals(expected.body), `${said}: the body is another one`);
    if (expected.code !== undefined) checkErrors(bytes, expected.code);
    return response;
  }

  /** Begins an upload; where it goes on. */
  async begin(repository = this.repository): Promise<string> {
    const response = await this.expect("POST", `${repository}/blobs/uploads/`, { status: 202 });
    return response.headers.get("location") ?? "";
  }

  /** Pushes a blob and gives its descriptor. */
  async blob(bytes: Buffer | string = randomBytes(512), repository = this.repository) {
    const digest = this.digest(bytes);
    await this.expect("POST", `${repository}/blobs/uploads/?digest=${digest}`, { status: 201 }, { body: bytes });
    return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: Buffer.byteLength(bytes) };
  }

  /** Pushes what an image needs, and gives the image's manifest, which is not pushed. */
  async image(changes: object = {}, architecture = "amd64"): Promise<string> {
    const config = {
      ...(await this.blob(JSON.stringify({ os: "linux", architecture, a: randomBytes(6).toString("hex") }))),
      mediaType: OCI_CONFIG,
    };
    return JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [await this.blob()], ...changes });
  }

  /** Pushes a manifest, by its digest unless a tag is given, and gives its descriptor. */
  async manifest(manifest: string, reference = this.digest(manifest)) {
    const { mediaType = OCI_MANIFEST } = JSON.parse(manifest) as { mediaType?: string };
    await this.expect(
      "PUT",
      `${this.repository}/manifests/${reference}`,
      { status: 201 },
      { headers: { "content-type": mediaType }, body: manifest },
    );
    return { mediaType, digest: this.digest(manifest), size: Buffer.byteLength(manifest) };
  }

  index(manifests: readonly object[], changes: object = {}): string {
    return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...changes });
  }
}

export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const EMPTY_JSON = "application/vnd.oci.empty.v1+json";

/** A section's facts: what is promised, and how it is checked. */
export type Facts = Readonly<Record<string, (on: Case) => Promise<void>>>;

/** Checks the facts of some sections on one registry, each for every one of the algorithms. */
export function specification(
  workflow: string,
  sections: Readonly<Record<string, Facts>>,
  algorithms: readonly Algorithm[] = ALGORITHMS,
): void {
  describe(`OCI distribution 1.1, ${workflow}`, () => {
    const started = startRegistry();
    after(async () => (await started)[Symbol.asyncDispose]());
    for (const [section, facts] of Object.entries(sections)) {
      for (const [fact, check] of Object.entries(facts)) {
        for (const algorithm of algorithms) {
          test(`${section}: ${fact} (${algorithm})`, async () => check(new Case(await started, algorithm)));
        }
      }
    }
  });
}

/** The form of the section "Error Codes". */
function checkErrors(body: Buffer, code: string): void {
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  assert.equal(errors[0]?.code, code);
  for (const error of errors) {
    assert.match(error.code, /^[A-Z_]+$/);
    assert.ok(error.message.length > 0);
  }
}
