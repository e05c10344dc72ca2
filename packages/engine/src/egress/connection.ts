import { connect, isIPv6, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { isErrno, LongshoreError } from "@longshore/contract";
import type { KeyAndCertificate } from "./certificate-authority.js";
import { couple } from "./couple.js";
import { type Protocol, recognize, SNIFF_BYTES } from "./first-bytes.js";
import { connectService, isServiceName, type LocalService, SERVICE_ADDRESS, SERVICE_PORT } from "./local-service.js";
import { isPermitted } from "./permission.js";
import type { EgressPolicy } from "./policy.js";
import { type EgressRules, mayIntercept } from "./rules.js";
import type { Way } from "./traffic.js";
import { askWorker, endsAtOnce, type Tunnel } from "./worker-tunnel.js";

/** On these ports the client speaks first, so it is waited for. */
const CLIENT_FIRST_PORTS = new Set([80, 443]);
const CLIENT_FIRST_MS = 60_000;
/** On others the server may: a client that is silent for this long is taken for one that waits. */
const SILENCE_MS = 100;
const DIAL_MS = 10_000;
/** How long a workerd that is being replaced is waited for, in steps. */
const RETRY_MS = [20, 50, 100, 200, 400, 800, 1600];
/** When an open connection is asked for once more, after the container's Worker said something. */
const AGAIN_MS = 1_000;
/** Nobody can dial these: given in place of a destination that workerd must not dial either. It still asks who is registered for the name. */
const UNREACHABLE = { ipv4: "255.255.255.255", ipv6: "ff02::1" } as const;

/** A container's side of the matter: what its Worker has said, at the time of asking. */
export interface Caller {
  rules(): EgressRules | undefined;
  /** Whether the container's class answers questions: another would take one for a request of the container's. */
  readonly answers: boolean;
  /** Key and certificate for a host's name or address, signed by the application's authority. */
  leaf(host: string): Promise<KeyAndCertificate>;
  /** Calls the listener whenever the container's Worker says something about its connections, until the returned function is called. */
  onWord(listener: () => void): () => void;
  /** Called once for a connection that is let through. */
  goes(socket: Socket, way: Way): void;
}

/**
 * Decides what becomes of one outbound TCP connection, and does it: to the Worker, to a service of this machine, out to the Internet, or nowhere. Whatever goes
 * wrong, nothing goes out. The socket's local address is the destination.
 */
export async function handleConnection(client: Socket, caller: Caller, policy: EgressPolicy, service?: LocalService): Promise<void> {
  client.on("error", () => client.destroy());
  const { localAddress = "", localPort = 0 } = client;
  const rules = caller.rules();
  if (rules === undefined) return deny(client);
  const local = localAddress === SERVICE_ADDRESS ? service : undefined;
  if (rules.allowHostnames.length === 0 && local === undefined) return await goOut(client, caller, rules, policy);
  const protocol = await firstBytes(client, CLIENT_FIRST_PORTS.has(localPort) ? CLIENT_FIRST_MS : SILENCE_MS);
  if (client.destroyed) return;
  const hostname = protocol.kind === "other" ? undefined : protocol.hostname;
  const pass = () => (local === undefined ? goOut(client, caller, rules, policy) : serve(client, caller, local, protocol));
  if (!mayIntercept(rules, hostname)) return await pass();
  if (local !== undefined && hostname !== undefined && isMeant(client, local, protocol) && caller.answers) {
    // What no handler takes and the class's lists allow would go out from the Worker, which does not find the service.
    const permitted = await asksFor(caller, hostname);
    if (client.destroyed) return;
    endWhenOtherwise(client, caller, hostname, permitted);
    if (permitted) return await lead(client, caller, local, hostname);
  }
  const tunnel = await askInTime(client, caller, policy, protocol);
  if (client.destroyed) return void tunnel.socket.destroy();
  if (tunnel.status === 202 && local !== undefined) {
    // No handler for HTTP is registered: workerd would dial, and there is nothing to be dialled at.
    tunnel.socket.destroy();
    return await pass();
  }
  if (tunnel.status !== 200 && tunnel.status !== 202) {
    tunnel.socket.destroy();
    return deny(client);
  }
  // A workerd that was restarted would have it that there is no Internet: it ends what no Worker takes.
  if (tunnel.status === 202 && rules.internet && rules.unheard && (await endsAtOnce(tunnel))) {
    tunnel.socket.destroy();
    return await goOut(client, caller, rules, policy);
  }
  // With 202 workerd passes the bytes on to a Worker, or dials out itself; it does not say which.
  caller.goes(client, tunnel.status === 202 && caller.rules()?.internet === true ? "internet" : "workers");
  if (tunnel.head.length > 0) tunnel.socket.unshift(tunnel.head);
  if (tunnel.status === 200 && protocol.kind === "tls") await terminate(client, tunnel.socket, caller, hostname ?? localAddress);
  else couple(client, tunnel.socket);
}

/** Ends a connection at once, so that the program at the other end need not wait for anything. */
export function deny(client: Socket): void {
  client.resetAndDestroy();
}

async function goOut(client: Socket, caller: Caller, rules: EgressRules, policy: EgressPolicy): Promise<void> {
  const { localAddress = "", localPort = 0 } = client;
  if (!rules.internet || !policy.permits(localAddress)) return deny(client);
  const upstream = connect({ host: localAddress, port: localPort, allowHalfOpen: true, noDelay: true });
  try {
    await connected(upstream, client);
  } catch {
    // Why is the network's business; to the program in the container it is a connection that did not come about.
    upstream.destroy();
    return deny(client);
  }
  caller.goes(client, "internet");
  couple(client, upstream);
}

/** Leads to a service of this machine what may go to the Internet and is meant for it. */
async function serve(client: Socket, caller: Caller, service: LocalService, protocol: Protocol): Promise<void> {
  const hostname = protocol.kind === "tls" ? protocol.hostname : undefined;
  if (hostname === undefined || !isMeant(client, service, protocol) || caller.rules()?.internet !== true) return deny(client);
  await lead(client, caller, service, hostname);
}

async function asksFor(caller: Caller, hostname: string): Promise<boolean> {
  const rules = caller.rules();
  const address = rules?.internet === true ? UNREACHABLE.ipv4 : SERVICE_ADDRESS;
  return rules !== undefined && (await isPermitted({ port: rules.port, address, hostname }));
}

/** A connection that goes on past what decided it would carry requests out that nothing allows, or lead others to where they are not served. */
function endWhenOtherwise(client: Socket, caller: Caller, hostname: string, decided: boolean): void {
  const check = async () => {
    if (client.destroyed) return;
    const permitted = await asksFor(caller, hostname);
    if (permitted !== decided && !client.destroyed) deny(client);
  };
  const off = caller.onWord(() => {
    void check();
    // The Worker that answers may be the former one for a moment more.
    setTimeout(() => void check(), AGAIN_MS).unref();
  });
  client.once("close", off);
}

/** True for what is for one of the service's names, and is HTTPS. */
function isMeant({ localPort }: Socket, service: LocalService, protocol: Protocol): boolean {
  const hostname = protocol.kind === "tls" ? protocol.hostname : undefined;
  return hostname !== undefined && isServiceName(service, hostname) && localPort === SERVICE_PORT;
}

async function lead(client: Socket, caller: Caller, service: LocalService, hostname: string): Promise<void> {
  const upstream = await connectService(service);
  if (client.destroyed) return void upstream.destroy();
  caller.goes(client, "workers");
  await terminate(client, upstream, caller, hostname);
}

function connected(upstream: Socket, client: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("timed out")), DIAL_MS);
    upstream.once("connect", () => resolve());
    upstream.once("error", reject);
    client.once("close", () => reject(new Error("the client has gone")));
    upstream.once("close", () => clearTimeout(timer));
    upstream.once("connect", () => clearTimeout(timer));
  });
}

/** Asks workerd, and once more a little later while none listens: it is being replaced. */
async function askInTime(client: Socket, caller: Caller, policy: EgressPolicy, protocol: Protocol): Promise<Tunnel> {
  for (const pause of [...RETRY_MS, 0]) {
    const rules = caller.rules();
    if (rules === undefined) break;
    try {
      return await askWorker({ port: rules.port, destination: destinationFor(client, rules, policy), ...hint(protocol) });
    } catch (error) {
      const cause = error instanceof LongshoreError ? error.cause : error;
      if (pause === 0 || client.destroyed || !isErrno(cause, "ECONNREFUSED")) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  throw new LongshoreError("UNAVAILABLE", "The container has no Worker any more.");
}

function hint(protocol: Protocol): { header?: { name: "X-Hostname" | "X-Tls-Sni"; value: string } } {
  if (protocol.kind === "other" || protocol.hostname === undefined) return {};
  return { header: { name: protocol.kind === "http" ? "X-Hostname" : "X-Tls-Sni", value: protocol.hostname } };
}

/**
 * The destination, as workerd is told. With the Internet on, workerd dials what no Worker is registered for, and it may dial anything on this
 * machine: so it is told of a destination that the policy forbids only under an address that cannot be dialled.
 */
function destinationFor({ localAddress = "", localPort = 0 }: Socket, rules: EgressRules, policy: EgressPolicy): string {
  const six = isIPv6(localAddress);
  const tellable = !rules.internet || policy.permits(localAddress);
  const address = tellable ? localAddress : six ? UNREACHABLE.ipv6 : UNREACHABLE.ipv4;
  return six ? `[${address}]:${localPort}` : `${address}:${localPort}`;
}

/** Takes the TLS off in front of the tunnel: who is behind it gets plain HTTP. */
async function terminate(client: Socket, tunnel: Duplex, caller: Caller, host: string): Promise<void> {
  tunnel.on("error", () => client.destroy());
  const secure = new TLSSocket(client, {
    isServer: true,
    secureContext: contextOf(await caller.leaf(host)),
    ALPNProtocols: ["http/1.1"],
  });
  couple(secure, tunnel);
}

/** Made once for each leaf: reading key and certificate takes longer than the rest of a connection's beginning. */
function contextOf(leaf: KeyAndCertificate): SecureContext {
  const known = contexts.get(leaf);
  if (known !== undefined) return known;
  const made = createSecureContext({ ...leaf, minVersion: "TLSv1.2" });
  contexts.set(leaf, made);
  return made;
}

const contexts = new WeakMap<KeyAndCertificate, SecureContext>();

/** Reads enough to tell the protocol, and puts it back. A client that ends, or is silent for `patienceMs`, speaks none that is known. */
function firstBytes(client: Socket, patienceMs: number): Promise<Protocol> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const settle = (protocol: Protocol) => {
      clearTimeout(timer);
      client.off("readable", onReadable).off("end", onEnd).off("close", onEnd);
      if (bytes.length > 0 && !client.destroyed) client.unshift(bytes);
      resolve(protocol);
    };
    const onEnd = () => settle({ kind: "other" });
    const onReadable = () => {
      for (let chunk = client.read() as Buffer | null; chunk !== null; chunk = client.read() as Buffer | null) {
        bytes = Buffer.concat([bytes, chunk]);
      }
      const protocol = recognize(bytes) ?? (bytes.length >= SNIFF_BYTES ? ({ kind: "other" } as const) : undefined);
      if (protocol !== undefined) settle(protocol);
    };
    const timer = setTimeout(onEnd, patienceMs);
    client.on("readable", onReadable).once("end", onEnd).once("close", onEnd);
  });
}
