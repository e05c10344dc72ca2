import { chmodSync, closeSync, renameSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { listenUnix, MAX_SOCKET_PATH } from "./libc.js";

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
    if (Buffer.byteLength(fresh) > MAX_SOCKET_PATH) {
      throw new LongshoreError("INVALID_INPUT", `The path ${path} is too long for a unix socket (at most ${MAX_SOCKET_PATH} bytes).`, {
        hint: "Choose a shorter run directory, or a shorter name for the Worker.",
      });
    }
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
