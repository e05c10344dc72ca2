import { createSocket } from "node:dgram";
import { get } from "node:http";
import { isIPv6, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { decode, encode } from "dns-packet";
import koffi from "koffi";
import { addressBytes } from "../egress/place.js";
import { NetworkNamespace } from "../network/namespace.js";
import { AF_INET, AF_INET6, closeFd, SystemCallError } from "../sys/libc.js";
import { boundSocket } from "../sys/listening-socket.js";

const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const connectCall = libc.func("int connect(int fd, const void *address, unsigned int length)");
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/**
 * What a program in a container would do on the network, done by the test in the container's network namespace: no image needs to bring the
 * clients that tests want.
 */
export class FromContainer {
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** A TCP connection. The hub's kernel accepts every one, so connecting does not wait for the engine, which is this same process. */
  connect(address: string, port: number): Socket {
    using namespace = NetworkNamespace.ofProcess(this.#pid);
    const family = isIPv6(address) ? AF_INET6 : AF_INET;
    const name = Buffer.alloc(family === AF_INET6 ? 28 : 16);
    name.writeUInt16LE(family, 0);
    name.writeUInt16BE(port, 2);
    addressBytes(address).copy(name, family === AF_INET6 ? 8 : 4);
    const fd = namespace.visit(() => socketCall(family, SOCK_STREAM | SOCK_CLOEXEC, 0) as number);
    if (connectCall(fd, name, name.length) !== 0) {
      const failure = new SystemCallError("connect", `${address} ${port}`);
      closeFd(fd);
      throw failure;
    }
    return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true } as never);
  }

  /** A GET of `path`, with `host` as its Host header. Rejects when the connection is refused or cut. */
  async get(address: string, port: number, host: string, path = "/"): Promise<{ status: number; body: string }> {
    return await new Promise((resolve, reject) => {
      // Without an agent: it would make the connection itself.
      const request = get({ createConnection: () => this.connect(address, port), host, path, headers: { host } });
      request.on("error", reject);
      request.on("response", (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
    });
  }

  /** Asks a resolver by UDP: the response code, and the addresses. Rejects after a second without an answer. */
  async lookup(resolver: string, name: string, type: "A" | "AAAA" = "A"): Promise<{ code: string; addresses: string[] }> {
    const answer = decode(await this.datagram(resolver, 53, encode({ type: "query", id: 7, flags: 0x100, questions: [{ type, name }] })));
    const code = (answer as { rcode?: string }).rcode ?? "";
    return { code, addresses: (answer.answers ?? []).flatMap((record) => (record.type === "A" ? [record.data] : [])) };
  }

  /** Sends one datagram and waits for the answer. */
  async datagram(address: string, port: number, message: Buffer): Promise<Buffer> {
    const family = isIPv6(address) ? AF_INET6 : AF_INET;
    using namespace = NetworkNamespace.ofProcess(this.#pid);
    const any = addressBytes(family === AF_INET6 ? "::0" : "0.0.0.0");
    const fd = namespace.visit(() => boundSocket({ family, kind: "udp", address: any, port: 0, transparent: false }));
    const socket = createSocket(family === AF_INET6 ? "udp6" : "udp4");
    try {
      socket.bind({ fd });
      return await new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.once("message", resolve);
        setTimeout(() => reject(new Error("no answer")), 1_000).unref();
        socket.connect(port, address, () => socket.send(message));
      });
    } finally {
      socket.close();
    }
  }

  /** A TCP connection that claims to come from another address; true when it comes about within 300 ms. */
  async spoofed(source: string, address: string, port: number): Promise<boolean> {
    using namespace = NetworkNamespace.ofProcess(this.#pid);
    const wish = { family: AF_INET, kind: "tcp", address: addressBytes(source), port: 0, transparent: true } as const;
    const fd = namespace.visit(() => boundSocket({ ...wish, listening: false }));
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    addressBytes(address).copy(name, 4);
    connectCall(fd, name, name.length);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const connected = connectCall(fd, name, name.length) === 0;
    closeFd(fd);
    return connected;
  }
}
