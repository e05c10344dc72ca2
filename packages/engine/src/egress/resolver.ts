import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { type Answer, decode, encode, type Packet } from "dns-packet";
import { isServiceName, type LocalService, SERVICE_ADDRESS } from "./local-service.js";
import { type EgressRules, mayIntercept } from "./rules.js";
import type { UpstreamResolvers } from "./upstream-resolvers.js";

const NO_ERROR = 0;
const SERVER_FAILURE = 2;
const NO_SUCH_NAME = 3;
const REFUSED = 5;
const CODE_MASK = 0x0f;
const RECURSION_AVAILABLE = 0x0080;
const RECURSION_DESIRED = 0x0100;
const PLACEHOLDER_TTL_S = 60;
/** Connections that ask by TCP may be kept for more questions this long. */
const TCP_IDLE_MS = 10_000;

/** What a name that only a Worker answers for resolves to: an address that is nobody's (RFC 2544), and that nothing is ever dialled at. */
export const PLACEHOLDER = "198.18.0.1";

/**
 * The resolver of all containers. With the Internet on, the host's resolvers are asked. With it off nobody is: names that something is registered
 * for get {@link PLACEHOLDER}, all others do not exist, so that no query carries anything out.
 */
export class Resolver {
  readonly #upstream: UpstreamResolvers;
  readonly #service: LocalService | undefined;

  /** `service`: what this machine serves itself under names of the Internet. */
  constructor(upstream: UpstreamResolvers, service?: LocalService) {
    this.#upstream = upstream;
    this.#service = service;
  }

  /** The answer to a query; `undefined` for what is none. */
  async answer(query: Buffer, rules: EgressRules | undefined, protocol: "udp" | "tcp" = "udp"): Promise<Buffer | undefined> {
    const packet = parse(query);
    const [question] = packet?.questions ?? [];
    if (packet === undefined || question === undefined) return undefined;
    if (rules === undefined) return respond(packet, REFUSED);
    const name = question.name.toLowerCase().replace(/\.$/, "");
    const known = mayIntercept(rules, name);
    if (!rules.internet && !known) return respond(packet, NO_SUCH_NAME);
    if (this.#service !== undefined && isServiceName(this.#service, name)) return placeholder(packet, SERVICE_ADDRESS);
    if (!rules.internet) return placeholder(packet);
    // An address that this machine cannot reach would be tried first by many programs.
    if (question.type === "AAAA" && !hasIpv6Route()) return respond(packet, NO_ERROR);
    const answer = await this.#forward(query, protocol);
    const code = answer === undefined ? SERVER_FAILURE : answer.readUInt16BE(2) & CODE_MASK;
    if (known && (code === NO_SUCH_NAME || code === SERVER_FAILURE)) return placeholder(packet);
    return answer ?? respond(packet, SERVER_FAILURE);
  }

  /** Answers what is asked on a TCP connection, one question after the other. */
  async serve(socket: Socket, rules: () => EgressRules | undefined): Promise<void> {
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    let received = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const answer = await this.answer(received.subarray(2, end), rules(), "tcp");
        if (answer === undefined) return void socket.destroy();
        socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]));
        received = received.subarray(end);
      }
    }
    socket.end();
  }

  /** Under an id of our own: a container must not be able to choose what a forger would have to guess. */
  async #forward(query: Buffer, protocol: "udp" | "tcp"): Promise<Buffer | undefined> {
    const outgoing = Buffer.from(query);
    outgoing.writeUInt16BE(randomInt(0x10000), 0);
    const answer = await this.#upstream.ask(outgoing, protocol);
    if (answer === undefined || answer.length < 12) return undefined;
    answer.writeUInt16BE(query.readUInt16BE(0), 0);
    return answer;
  }
}

function parse(query: Buffer): Packet | undefined {
  // A response, or anything but a plain question, is not answered.
  if (query.length < 12 || (query.readUInt16BE(2) & 0xf800) !== 0 || query.readUInt16BE(4) !== 1) return undefined;
  try {
    return decode(query);
  } catch {
    // The library says by throwing that the bytes are no DNS message; they come from a container and deserve no log line.
    return undefined;
  }
}

function placeholder(query: Packet, address = PLACEHOLDER): Buffer {
  const [question] = query.questions ?? [];
  if (question?.type !== "A") return respond(query, NO_ERROR);
  return respond(query, NO_ERROR, [{ type: "A", name: question.name, ttl: PLACEHOLDER_TTL_S, data: address }]);
}

function respond(query: Packet, code: number, answers: Answer[] = []): Buffer {
  const wanted = (query.flags ?? 0) & RECURSION_DESIRED;
  return encode({
    type: "response",
    id: query.id ?? 0,
    flags: RECURSION_AVAILABLE | wanted | code,
    questions: query.questions ?? [],
    answers,
  });
}

const ROUTES_MS = 5_000;
let routes = { ipv6: false, until: 0 };

/** True when this machine has a way to the IPv6 Internet. */
function hasIpv6Route(): boolean {
  const now = Date.now();
  if (now < routes.until) return routes.ipv6;
  routes = { ipv6: readIpv6Default(), until: now + ROUTES_MS };
  return routes.ipv6;
}

function readIpv6Default(): boolean {
  try {
    // Destination, its prefix length, …, the interface last; the kernel keeps an unusable default on lo.
    return readFileSync("/proc/net/ipv6_route", "utf8")
      .split("\n")
      .some((line) => /^0{32} 00 /.test(line) && !/\slo$/.test(line));
  } catch {
    // A kernel without IPv6 has no such file.
    return false;
  }
}
