/** Whoever has been sending a question for longer than this is uploading, if the last piece of it is not older. */
const UPLOAD_MS = 1_000;

/**
 * What can be told of a connection by when bytes pass, and which way: whether somebody waits on it for an answer to begin. Streams, WebSockets and idle
 * connections are those on which nobody does. Times are milliseconds of a clock that only goes forward.
 */
export class Conversation {
  #turns = 0;
  #askedSince: number | undefined;
  #askedLast = 0;
  #switched = false;
  /** The turn whose answer was waited for when it was first looked. */
  #spared: number | undefined;

  /** Something goes to the program. */
  asks(now: number): void {
    if (this.#askedSince === undefined) {
      this.#turns++;
      this.#askedSince = now;
    }
    this.#askedLast = now;
  }

  /** Something comes from the program. */
  answers(): void {
    this.#askedSince = undefined;
  }

  /** It is a WebSocket from now on: nothing on it is the answer to anything. */
  switches(): void {
    this.#switched = true;
  }

  /**
   * Whether it may be cut. Whoever waits for an answer to begin is spared, and has all of it also at a later look, unless more is asked after it began: then
   * bytes go to and fro, as in an upload that is answered while it arrives.
   */
  mayBeCut(now: number): boolean {
    if (this.#switched) return true;
    if (!this.#waits(now)) return this.#turns !== this.#spared;
    this.#spared ??= this.#turns;
    return false;
  }

  #waits(now: number): boolean {
    if (this.#askedSince === undefined) return false;
    const uploads = now - this.#askedSince > UPLOAD_MS && now - this.#askedLast < UPLOAD_MS;
    return !uploads;
  }
}
