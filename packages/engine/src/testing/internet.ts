import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { decode, encode } from "dns-packet";
import { addressBytes } from "../egress/place.js";
import { NetworkNamespace } from "../network/namespace.js";
import { AF_INET } from "../sys/libc.js";
import { boundSocket } from "../sys/listening-socket.js";

/** The address of the test's host on its Internet, and that of everything on it. */
export const HOST_ADDRESS = "93.184.216.1";
export const INTERNET_ADDRESS = "93.184.216.34";

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

  tcp(port: number, handler: (socket: Socket) => void): void {
    const server = createTcpServer(handler);
    server.listen({ fd: this.#socket("tcp", port) });
    this.#closers.push(() => server.close());
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

  #socket(kind: "tcp" | "udp", port: number): number {
    return this.#namespace.visit(() => boundSocket({ family: AF_INET, kind, address: addressBytes("0.0.0.0"), port, transparent: false }));
  }
}
