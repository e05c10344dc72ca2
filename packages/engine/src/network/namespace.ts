import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import {
  AF_INET,
  AF_INET6,
  CLONE_NEWNET,
  closeFd,
  ERRNO,
  newNetworkNamespace,
  SystemCallError,
  setNamespace,
  socketError,
  startConnect,
  tcpSocket,
} from "../sys/libc.js";

/** The engine's own network namespace, to come back to after each visit. */
const home = openSync("/proc/thread-self/ns/net", "r");

/** A container's network namespace, kept reachable by an open file. */
export class NetworkNamespace implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** The namespace of a process. Throws `ENOENT` when the process is gone. */
  static ofProcess(pid: number): NetworkNamespace {
    return new NetworkNamespace(openSync(`/proc/${pid}/ns/net`, "r"));
  }

  /** A new one, with a loopback interface that is down. It lives as long as this object does, and no longer than the engine. */
  static create(): NetworkNamespace {
    newNetworkNamespace();
    try {
      return new NetworkNamespace(openSync("/proc/thread-self/ns/net", "r"));
    } finally {
      setNamespace(home, CLONE_NEWNET);
    }
  }

  /** Runs `work` inside. It must be synchronous: whatever else the thread does meanwhile would happen inside as well. */
  visit<T>(work: () => T): T {
    setNamespace(this.#fd, CLONE_NEWNET);
    try {
      return work();
    } finally {
      setNamespace(home, CLONE_NEWNET);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /**
   * One attempt to connect to a port on the container's loopback, IPv4 first: apps that listen only on 127.0.0.1 or ::1 are reached too.
   * Returns `undefined` when nothing listens. On loopback the outcome is known when `connect` returns, so nothing is waited for.
   */
  connect(port: number): Socket | undefined {
    const fd = this.connectDescriptor(port);
    return fd === undefined ? undefined : new Socket({ fd, allowHalfOpen: true, readable: true, writable: true } as never);
  }

  /** Like {@link connect}; the connection's descriptor is the caller's. */
  connectDescriptor(port: number): number | undefined {
    return this.#attempt(AF_INET, loopback4(port)) ?? this.#attempt(AF_INET6, loopback6(port));
  }

  #attempt(family: number, address: Buffer): number | undefined {
    const fd = this.#socket(family);
    const errno = startConnect(fd, address);
    const failure = errno === ERRNO.EINPROGRESS ? socketError(fd) : errno;
    if (failure === 0) return fd;
    closeFd(fd);
    if (failure === ERRNO.ECONNREFUSED || failure === ERRNO.EADDRNOTAVAIL || failure === ERRNO.ENETUNREACH) return undefined;
    throw new SystemCallError("connect", `container loopback`, failure);
  }

  /** A socket belongs to the namespace it was made in, wherever it is used: so only its making happens inside. */
  #socket(family: number): number {
    return this.visit(() => tcpSocket(family));
  }
}

function loopback4(port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  return address;
}

function loopback6(port: number): Buffer {
  const address = Buffer.alloc(28);
  address.writeUInt16LE(AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address[23] = 1;
  return address;
}
