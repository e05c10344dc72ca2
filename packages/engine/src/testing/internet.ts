import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { decode, encode } from "dns-packet";
import { addressBytes } from "../egress/place.js";
import { NetworkNamespace } from "../network/namespace.js";
import { AF_INET, AF_INET6 } from "../sys/libc.js";
import { boundSocket } from "../sys/listening-socket.js";

/** The address of the test's host on its Internet, and that of everything on it. */
export const HOST_ADDRESS = "93.184.216.1";
export const INTERNET_ADDRESS = "93.184.216.34";
const HOST_ADDRESS6 = "2606:2800:220:1::1";
export const INTERNET_ADDRESS6 = "2606:2800:220:1::34";

/** A network namespace with a public address, connected to the host's (private-host.ts): the Internet, as far as a test goes. */
export class TestInternet implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #namespace: NetworkNamespace;
  readonly #closers: Array<() => void> = [];

  private constructor(holder: ChildProcess, namespace: NetworkNamespace) {
    this.#holder = holder;
    this.#namespace = namespace;
  }

  static async connect(): Promise<TestInternet> {
    // A namespace's first words come from a process that is inside for sure.
    const holder = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up; echo; exec sleep 1000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => holder.stdout?.once("data", resolve));
    const pid = String(holder.pid);
    const ip = (...words: string[]) => execFileSync("ip", words);
    const inside = (...words: string[]) => execFileSync("nsenter", ["--target", pid, "--net", "ip", ...words]);
    ip("link", "add", "wan", "type", "veth", "peer", "name", "host", "netns", pid);
    ip("address", "add", `${HOST_ADDRESS}/24`, "dev", "wan");
    ip("link", "set", "wan", "up");
    inside("address", "add", `${INTERNET_ADDRESS}/24`, "dev", "host");
    inside("link", "set", "host", "up");
    ip("route", "add", "default", "via", INTERNET_ADDRESS);
    ip("address", "add", `${HOST_ADDRESS6}/64`, "dev", "wan", "nodad");
    inside("address", "add", `${INTERNET_ADDRESS6}/64`, "dev", "host", "nodad");
    ip("-6", "route", "add", "default", "via", INTERNET_ADDRESS6);
    return new TestInternet(holder, NetworkNamespace.ofProcess(Number(holder.pid)));
  }

  http(port: number, handler: RequestListener): void {
    const server = createServer(handler);
    server.listen({ fd: this.#socket("tcp", port) });
    this.#closers.push(() => {
      server.close();
      server.closeAllConnections();
    });
  }

  /** By IPv4 and IPv6. */
  tcp(port: number, handler: (socket: Socket) => void): void {
    for (const family of [AF_INET, AF_INET6]) {
      const server = createTcpServer(handler);
      server.listen({ fd: this.#socket("tcp", port, family) });
      this.#closers.push(() => server.close());
    }
  }

  /** Answers every datagram with itself. Returns those that came. */
  echo(port: number): Buffer[] {
    const arrived: Buffer[] = [];
    const socket = createSocket("udp4");
    socket.on("message", (message, from) => {
      arrived.push(message);
      socket.send(message, from.port, from.address);
    });
    socket.bind({ fd: this.#socket("udp", port) });
    this.#closers.push(() => socket.close());
    return arrived;
  }

  /** A resolver that knows these names; all others do not exist. Returns the names it was asked for. */
  resolver(names: Readonly<Record<string, string>>): string[] {
    const asked: string[] = [];
    const socket = createSocket("udp4");
    socket.on("message", (message, { address, port }) => {
      const query = decode(message);
      const [question] = query.questions ?? [];
      if (question === undefined) return;
      asked.push(question.name);
      const data = names[question.name];
      const answers = data === undefined || question.type !== "A" ? [] : [{ type: "A" as const, name: question.name, ttl: 1, data }];
      const flags = data === undefined ? 3 : 0;
      socket.send(encode({ type: "response", id: query.id ?? 0, flags, questions: [question], answers }), port, address);
    });
    socket.bind({ fd: this.#socket("udp", 53) });
    this.#closers.push(() => socket.close());
    return asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers) close();
    this.#namespace[Symbol.dispose]();
    execFileSync("ip", ["link", "delete", "wan"]);
    const ended = new Promise((resolve) => this.#holder.once("close", resolve));
    this.#holder.kill("SIGKILL");
    await ended;
  }

  #socket(kind: "tcp" | "udp", port: number, family = AF_INET): number {
    const address = addressBytes(family === AF_INET6 ? "::0" : "0.0.0.0");
    return this.#namespace.visit(() => boundSocket({ family, kind, address, port, transparent: false }));
  }
}
