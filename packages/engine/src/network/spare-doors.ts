import { isErrno } from "@longshore/contract";
import { Ingress } from "./ingress.js";

/** Doors that are open before anybody asks: enough for a few starts at once. */
const SPARE = 4;
/** New ones are opened so long after the last was taken: until then the container that it is for has the processors to itself. Milliseconds. */
const PAUSE_MS = 150;

/**
 * Ingress doors that listen already, so that a start does not wait for a socket. There are none before the first was asked for: after a restart of the
 * engine, the ports that running containers had must be taken first.
 */
export class SpareDoors implements AsyncDisposable {
  readonly #doors: Ingress[] = [];
  #pause: NodeJS.Timeout | undefined;
  #opening: Promise<void> = Promise.resolve();
  #closed = false;

  /** A door that leads nowhere yet, on a port of the kernel's choice. */
  async take(): Promise<Ingress> {
    const door = this.#doors.pop();
    this.#refillLater();
    return door ?? (await Ingress.listen(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pause);
    await this.#opening;
    await Promise.all(this.#doors.splice(0).map((door) => door[Symbol.asyncDispose]()));
  }

  #refillLater(): void {
    clearTimeout(this.#pause);
    if (this.#closed) return;
    this.#pause = setTimeout(() => {
      this.#opening = this.#opening.then(() => this.#refill());
    }, PAUSE_MS).unref();
  }

  async #refill(): Promise<void> {
    try {
      while (this.#doors.length < SPARE && !this.#closed) this.#doors.push(await Ingress.listen(0));
    } catch (error) {
      // No port or no descriptor is free. Whoever takes a door then tries again, and is told.
      if (!isErrno(error, "EADDRINUSE") && !isErrno(error, "EMFILE") && !isErrno(error, "ENFILE")) throw error;
    }
  }
}
