import { chmodSync, closeSync, renameSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { listenUnix, MAX_SOCKET_PATH } from "./libc.js";

/** Errors: `INVALID_INPUT` when a socket's path, or the `longest` name that it has for a while, does not fit: Node.js would cut it without a word. */
export function assertSocketPath(path: string, longest = path): void {
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH) return;
  throw new LongshoreError("INVALID_INPUT", `The path ${path} is too long for a unix socket (at most ${MAX_SOCKET_PATH} bytes).`, {
    hint: "Choose a shorter run directory, or a shorter name for the Worker.",
  });
}

/** A listening unix socket that outlives the processes serving it: connections made meanwhile wait in its backlog. */
export class ListeningSocket implements Disposable {
  readonly fd: number;
  #open = true;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Listens at `path`, for this user only. A socket already there is replaced in one step, so there is no moment at which a connection is
   * refused. Errors: `INVALID_INPUT` when the path is too long for a unix socket.
   */
  static create(path: string): ListeningSocket {
    const fresh = `${path}.${process.pid}`;
    assertSocketPath(path, fresh);
    const fd = listenUnix(fresh);
    chmodSync(fresh, 0o600);
    renameSync(fresh, path);
    return new ListeningSocket(fd);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.fd);
  }
}
