/** Whoever has been sending a question for longer than this is uploading, if the last piece of it is not older. */
const UPLOAD_MS = 1_000;

/**
 * What can be told of a connection by when bytes pass, and which way. Whether somebody waits on it for an answer to begin: a stream, a WebSocket and
 * an idle connection are those on which nobody does. Times are milliseconds of a clock that only goes forward.
 */
export class Conversation {
  #askedSince: number | undefined;
  #askedLast = 0;

  /** Something goes to the program. */
  asks(now: number): void {
    this.#askedSince ??= now;
    this.#askedLast = now;
  }

  /** Something comes from the program. */
  answers(): void {
    this.#askedSince = undefined;
  }

  /** False once an answer has begun, while nothing has been asked, and during an upload. */
  waitsForAnswer(now: number): boolean {
    if (this.#askedSince === undefined) return false;
    const uploads = now - this.#askedSince > UPLOAD_MS && now - this.#askedLast < UPLOAD_MS;
    return !uploads;
  }
}
