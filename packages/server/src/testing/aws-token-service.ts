import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import aws4 from "aws4";

const LIFE_MS = 12 * 3600_000;

/** What aws4 would add to the request, and sign, by itself. */
const IGNORED = { extraHeadersToIgnore: { "content-length": true, "content-type": true } };

export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Amazon's service for registry passwords, for one access key in the region eu-central-1. Signatures are checked with another library than ours. */
export class AwsTokenService implements AsyncDisposable {
  /** How many passwords it has given out. */
  made = 0;
  /** What a request must also show. */
  sessionToken: string | undefined;
  readonly #key: AccessKey;
  readonly #server: Server;
  #passwords = new Map<string, number>();

  private constructor(key: AccessKey) {
    this.#key = key;
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        ({ status, body }) => response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body)),
        (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    });
  }

  static async listen(key: AccessKey): Promise<AwsTokenService> {
    const service = new AwsTokenService(key);
    await new Promise<void>((resolve) => service.#server.listen(0, "127.0.0.1", resolve));
    return service;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** What the registry asks about a login. */
  accepts(username: string, password: string): boolean {
    return username === "AWS" && (this.#passwords.get(password) ?? 0) > Date.now();
  }

  /** No password that it has given out is good any more. */
  revoke(): void {
    this.#passwords = new Map();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const body = await text(request);
    const { headers, method, url } = request;
    const target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    if (
      method !== "POST" ||
      url !== "/" ||
      headers["x-amz-target"] !== target ||
      headers["content-type"] !== "application/x-amz-json-1.1"
    ) {
      return refusal("UnknownOperationException");
    }
    if (headers["x-amz-security-token"] !== this.sessionToken) return refusal("UnrecognizedClientException");
    if (!this.#isSigned(request, body)) return refusal("InvalidSignatureException");
    const password = randomBytes(24).toString("base64url");
    const until = Date.now() + LIFE_MS;
    this.#passwords.set(password, until);
    this.made++;
    const authorizationToken = Buffer.from(`AWS:${password}`).toString("base64");
    return { status: 200, body: { authorizationData: [{ authorizationToken, expiresAt: until / 1000, proxyEndpoint: "https://unused" }] } };
  }

  #isSigned({ headers }: IncomingMessage, body: string): boolean {
    const { authorization = "" } = headers;
    const names = /SignedHeaders=([^,]+),/.exec(authorization)?.[1]?.split(";") ?? [];
    if (!["host", "x-amz-date", "x-amz-target"].every((name) => names.includes(name))) return false;
    const signed = aws4.sign(
      {
        method: "POST",
        path: "/",
        service: "ecr",
        region: "eu-central-1",
        headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
        body,
        ...IGNORED,
      },
      this.#key,
    );
    return signatureIn(String(signed.headers?.Authorization)) === signatureIn(authorization);
  }
}

function signatureIn(authorization: string): string | undefined {
  return /Signature=([0-9a-f]{64})$/.exec(authorization)?.[1];
}

function refusal(type: string): { status: number; body: unknown } {
  return { status: 400, body: { __type: `com.amazon.coral.service#${type}`, message: "The request is not good." } };
}
