import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { s3Handler } from "../s3/handler.js";
import { TestStorage } from "./storage.js";

export const KEYS = {
  owner: { accessKeyId: "a".repeat(32), secretAccessKey: "1".repeat(64) },
  reader: { accessKeyId: "b".repeat(32), secretAccessKey: "2".repeat(64) },
  writer: { accessKeyId: "c".repeat(32), secretAccessKey: "3".repeat(64) },
};

/** The S3 API on a port of the loopback interface, over a bucket in a temporary directory. */
export class S3Server implements AsyncDisposable {
  readonly under: TestStorage;
  readonly #server: Server;
  /** What the clock is put forward by, in milliseconds. */
  ahead = 0;

  private constructor(under: TestStorage) {
    this.under = under;
    const access = async (id: string) => {
      const [role, keys] = Object.entries(KEYS).find(([, each]) => each.accessKeyId === id) ?? [];
      if (keys === undefined) return undefined;
      return { secretAccessKey: keys.secretAccessKey, read: role !== "writer", write: role !== "reader" };
    };
    this.#server = createServer(
      s3Handler({ storage: under.storage, access, hosts: ["s3.localhost"], clock: () => Date.now() + this.ahead }),
    );
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server(await TestStorage.open());
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await this.under[Symbol.asyncDispose]();
  }
}
