import { rmSync } from "node:fs";
import { ListeningSocket } from "./listening-socket.js";

/** A listening socket as a configuration names it. */
export interface NamedSocket {
  readonly name: string;
  readonly path: string;
}

/** The sockets of one script, which its processes serve one after the other. */
export class ListeningSockets {
  readonly #open = new Map<string, ListeningSocket>();

  /** Listens at these places and at no others. Those that are open stay so. Returns each with its descriptor. Errors: as {@link ListeningSocket.create}. */
  open(sockets: readonly NamedSocket[]): (NamedSocket & { readonly fd: number })[] {
    for (const path of this.#open.keys()) if (!sockets.some((each) => each.path === path)) this.#close(path);
    return sockets.map((each) => {
      const socket = this.#open.get(each.path) ?? ListeningSocket.create(each.path);
      this.#open.set(each.path, socket);
      return { ...each, fd: socket.fd };
    });
  }

  /** Nobody listens there any more. */
  remove(): void {
    for (const path of this.#open.keys()) this.#close(path);
  }

  /** Leaves the sockets to the process that serves them. */
  letGo(): void {
    for (const socket of this.#open.values()) socket[Symbol.dispose]();
    this.#open.clear();
  }

  #close(path: string): void {
    this.#open.get(path)?.[Symbol.dispose]();
    this.#open.delete(path);
    rmSync(path, { force: true });
  }
}
