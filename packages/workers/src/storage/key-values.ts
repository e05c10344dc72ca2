import { type KeyFacts, type KeyPage, type KeyValues, LongshoreError } from "@longshore/contract";
import type { StorageProcess, StoreAnswer, StoreRequest } from "./storage-process.js";

const MAX_KEY_BYTES = 512;

/** {@link KeyValues} in the storage process, in the protocol that workerd's KV bindings speak. */
export class StoredKeyValues implements KeyValues {
  readonly #process: StorageProcess;

  constructor(process: StorageProcess) {
    this.#process = process;
  }

  async get(namespace: string, key: string): Promise<{ value: Uint8Array; metadata?: string } | undefined> {
    const answer = await this.#ask(namespace, { method: "GET", path: keyPath(key) }, [404]);
    if (answer.status === 404) return undefined;
    const metadata = answer.headers["cf-kv-metadata"];
    return { value: answer.body, ...(typeof metadata === "string" ? { metadata: fromHeader(metadata) } : {}) };
  }

  async put(namespace: string, key: string, value: Uint8Array, facts: KeyFacts & { expirationTtl?: number }): Promise<void> {
    const query = new URLSearchParams();
    if (facts.expiration !== undefined) query.set("expiration", String(facts.expiration));
    if (facts.expirationTtl !== undefined) query.set("expiration_ttl", String(facts.expirationTtl));
    const headers = facts.metadata === undefined ? {} : { "CF-KV-Metadata": toHeader(facts.metadata) };
    await this.#ask(namespace, { method: "PUT", path: `${keyPath(key)}?${query}`, headers, body: value });
  }

  async delete(namespace: string, key: string): Promise<void> {
    await this.#ask(namespace, { method: "DELETE", path: keyPath(key) });
  }

  async list(namespace: string, { prefix, limit, cursor }: { prefix?: string; limit?: number; cursor?: string }): Promise<KeyPage> {
    const query = new URLSearchParams();
    if (prefix !== undefined) query.set("prefix", prefix);
    if (limit !== undefined) query.set("key_count_limit", String(limit));
    if (cursor !== undefined) query.set("cursor", cursor);
    const { body } = await this.#ask(namespace, { method: "GET", path: `/?${query}` });
    return JSON.parse(body.toString()) as KeyPage;
  }

  async destroy(namespace: string): Promise<void> {
    await this.#ask(namespace, { method: "POST", path: "/", command: "destroy" });
  }

  async #ask(namespace: string, request: Omit<StoreRequest, "store">, accepted: readonly number[] = []): Promise<StoreAnswer> {
    const answer = await this.#process.request({ store: { kind: "kv", id: namespace }, ...request });
    if ((answer.status >= 200 && answer.status < 300) || accepted.includes(answer.status)) return answer;
    if (answer.status === 413 || answer.status === 414) throw new LongshoreError("TOO_LARGE", answer.statusText);
    if (answer.status === 400) throw new LongshoreError("INVALID_INPUT", answer.statusText);
    throw new LongshoreError("INTERNAL", `KV answered ${answer.status}: ${answer.statusText}`);
  }
}

/** The rules that workerd's binding has for keys, and its store leaves to it. */
function keyPath(key: string): string {
  if (key === "" || key === "." || key === "..") {
    throw new LongshoreError("INVALID_INPUT", `${JSON.stringify(key)} cannot be a key.`, { hint: "Use another name." });
  }
  const bytes = Buffer.byteLength(key);
  if (bytes > MAX_KEY_BYTES) throw new LongshoreError("TOO_LARGE", `The key has ${bytes} bytes; at most ${MAX_KEY_BYTES} are allowed.`);
  return `/${encodeURIComponent(key)}`;
}

/** A header's text is bytes, which Node.js shows as Latin-1. */
function fromHeader(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}

function toHeader(value: string): string {
  return Buffer.from(value, "utf8").toString("latin1");
}
