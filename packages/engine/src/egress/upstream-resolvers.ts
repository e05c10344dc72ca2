import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, isIP } from "node:net";

export interface ResolverAddress {
  readonly address: string;
  readonly port: number;
}

/** What each resolver gets; after a failure of all, for a while much less, so that a machine without a network says so quickly. */
const ANSWER_MS = 2_000;
const DOUBTFUL_ANSWER_MS = 150;
const DOUBT_MS = 10_000;
const REREAD_MS = 5_000;
const MAX_RESOLVERS = 3;
const DNS_PORT = 53;

/** The host's own resolvers, asked in their order. */
export class UpstreamResolvers {
  readonly #fixed: readonly ResolverAddress[] | undefined;
  readonly #configuration: string;
  #found: readonly ResolverAddress[] = [];
  #foundUntil = 0;
  #doubtUntil = 0;

  /** `fixed` in place of what `/etc/resolv.conf` names: `address` or `address:port`. */
  constructor(fixed?: readonly string[], configuration = "/etc/resolv.conf") {
    this.#fixed = fixed?.map(parseResolver);
    this.#configuration = configuration;
  }

  /** The answer of the first resolver that gives one, with the query's id; `undefined` when none does. */
  async ask(query: Buffer, protocol: "udp" | "tcp"): Promise<Buffer | undefined> {
    const patience = Date.now() < this.#doubtUntil ? DOUBTFUL_ANSWER_MS : ANSWER_MS;
    for (const resolver of this.#resolvers()) {
      const answer = await (protocol === "udp" ? askByUdp : askByTcp)(resolver, query, patience).catch(() => undefined);
      if (answer === undefined) continue;
      this.#doubtUntil = 0;
      return answer;
    }
    this.#doubtUntil = Date.now() + DOUBT_MS;
    return undefined;
  }

  #resolvers(): readonly ResolverAddress[] {
    if (this.#fixed !== undefined) return this.#fixed;
    const now = Date.now();
    if (now >= this.#foundUntil) {
      this.#found = fromResolvConf(this.#configuration);
      this.#foundUntil = now + REREAD_MS;
    }
    return this.#found;
  }
}

function parseResolver(text: string): ResolverAddress {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT };
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

function fromResolvConf(file: string): ResolverAddress[] {
  try {
    const addresses = [...readFileSync(file, "utf8").matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = ""]) => address);
    return addresses.slice(0, MAX_RESOLVERS).map((address) => ({ address, port: DNS_PORT }));
  } catch {
    // No file means no resolver: names cannot be looked up then, and containers are told so.
    return [];
  }
}

/** A socket for each query: its port is a part of what a forger would have to guess. */
function askByUdp({ address, port }: ResolverAddress, query: Buffer, patienceMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const timer = setTimeout(() => finish(() => reject(new Error("no answer"))), patienceMs);
    socket.once("error", (error) => finish(() => reject(error)));
    socket.on("message", (answer) => {
      if (answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) finish(() => resolve(answer));
    });
    socket.once("connect", () => socket.send(query));
    socket.connect(port, address);
  });
}

function askByTcp({ address, port }: ResolverAddress, query: Buffer, patienceMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    let received = Buffer.alloc(0);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const timer = setTimeout(() => finish(() => reject(new Error("no answer"))), patienceMs);
    socket.once("error", (error) => finish(() => reject(error)));
    socket.once("close", () => finish(() => reject(new Error("closed without an answer"))));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
      if (received.length >= length + 2) finish(() => resolve(received.subarray(2, length + 2)));
    });
    socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]));
  });
}
