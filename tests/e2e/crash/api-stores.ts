import type { Api } from "./api.js";
import { LARGE, LARGE_ROW, REQUEST_DEADLINE_MS, type Store } from "./store.js";
import { valueFor, writeOf } from "./values.js";

/** A store of text at a path of the API. */
abstract class TextStore implements Store {
  abstract readonly name: string;
  readonly places = 5;

  constructor(
    readonly api: Api,
    readonly path: string,
  ) {}

  async write(place: string, n: number): Promise<void> {
    await this.api.request("PUT", `${this.path}/api-${place}`, valueFor(n, LARGE));
  }

  async read(place: string): Promise<number | undefined> {
    const answer = await this.api.request("GET", `${this.path}/api-${place}`);
    return answer.status === 404 ? undefined : writeOf(await answer.text());
  }
}

export class KvStore extends TextStore {
  readonly name = "KV";

  constructor(api: Api, namespace: string) {
    super(api, `storage/kv/namespaces/${namespace}/values`);
  }
}

export class ObjectsStore extends TextStore {
  readonly name = "R2";

  constructor(api: Api) {
    super(api, "r2/buckets/crash/objects");
  }
}

export class DatabaseStore implements Store {
  readonly name = "D1";
  readonly places = 5;

  constructor(
    readonly api: Api,
    readonly id: string,
  ) {}

  async write(place: string, n: number): Promise<void> {
    await this.#query("INSERT OR REPLACE INTO t VALUES (?, ?)", [`api-${place}`, valueFor(n, LARGE_ROW)]);
  }

  async read(place: string): Promise<number | undefined> {
    const [row] = await this.#query("SELECT value FROM t WHERE place = ?", [`api-${place}`]);
    return row === undefined ? undefined : writeOf(row.value);
  }

  async #query(sql: string, params: readonly string[]): Promise<{ value: string }[]> {
    const [answer] = (await this.api.json("POST", `d1/database/${this.id}/query`, { sql, params })) as { results: { value: string }[] }[];
    return answer?.results ?? [];
  }
}

/** The account's Secrets Store, read by a Worker that is bound to it. */
export class SharedSecretStore implements Store {
  readonly name = "Secrets Store";
  readonly places: number;

  /** `secrets`: paths of the API, one for each place. */
  constructor(
    readonly api: Api,
    readonly secrets: readonly string[],
  ) {
    this.places = secrets.length;
  }

  async write(place: string, n: number): Promise<void> {
    await this.api.json("PATCH", this.secrets[Number(place)] ?? "", { value: valueFor(n, LARGE_SECRET) });
  }

  async read(place: string): Promise<number | undefined> {
    // What a Worker knows may be a second old.
    await new Promise((resolve) => setTimeout(resolve, KNOWN_MS));
    const answer = await this.api.platform.fetch("crash", `/secret/${place}`);
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${this.name}: ${answer.status} ${text}`);
    return text === FIRST_SECRET ? undefined : writeOf(text);
  }
}

export const FIRST_SECRET = "first";
const LARGE_SECRET = 30_000;
const KNOWN_MS = 1_500;

/** API tokens: a write makes one and revokes the one before. It lets in what the acknowledged one is; what was revoked stays so. */
export class TokenStore implements Store {
  readonly name = "tokens";
  readonly places = 3;
  readonly pauseMs = 50;
  readonly #made = new Map<string, { id: string; value: string; n: number }[]>();
  readonly #revoked = new Map<string, string[]>();

  constructor(readonly api: Api) {}

  async write(place: string, n: number): Promise<void> {
    const made = this.#made.get(place) ?? [];
    this.#made.set(place, made);
    const before = [...made];
    const token = (await this.api.json("POST", "tokens", { name: `crash-${n}`, scopes: ["kv:read"] })) as { id: string; value: string };
    made.push({ ...token, n });
    for (const each of before) {
      await this.api.request("DELETE", `tokens/${each.id}`);
      made.splice(made.indexOf(each), 1);
      this.#revoked.set(place, [...(this.#revoked.get(place) ?? []), each.value].slice(-LAST_REVOKED));
    }
  }

  async read(place: string): Promise<number | undefined> {
    for (const value of this.#revoked.get(place) ?? []) {
      const status = await this.#status(value);
      if (status !== 401 && status !== 403) throw new Error(`What was revoked is answered ${status}.`);
    }
    const newest = this.#made.get(place)?.at(-1);
    if (newest === undefined) return undefined;
    return (await this.#status(newest.value)) === 200 ? newest.n : undefined;
  }

  async #status(token: string): Promise<number> {
    const { apiUrl, accountId } = this.api.platform.presence;
    const headers = { authorization: `Bearer ${token}` };
    const { status } = await fetch(`${apiUrl}/accounts/${accountId}/storage/kv/namespaces`, {
      headers,
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    });
    if (status >= 500) throw new Error(`The API answered ${status}.`);
    return status;
  }
}

const LAST_REVOKED = 10;
