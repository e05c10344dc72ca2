const END_OF_HEAD = "\r\n\r\n";
/** A head that is longer is not looked at. */
const MAX_HEAD_BYTES = 16_384;

/**
 * Watches the first exchange of a connection for an HTTP answer without a body. workerd keeps connections for further requests, but after such a first answer
 * its end of the connection is broken: the next request's head is sent, and then the connection is closed ("Container port connection closed
 * unexpectedly", workerd 1.20261117.1; after any other answer, and after later ones, all is well). A connection that ends with that answer is not used again.
 */
export class FirstAnswer {
  #asked = false;
  #bodiless = false;
  #over = false;

  /** Something goes to the program. */
  asks(piece: Buffer): void {
    if (this.#asked || piece.length === 0) return;
    this.#asked = true;
    this.#bodiless = piece.toString("latin1", 0, 5) === "HEAD ";
  }

  /** Something comes from the program; true if it is all of a first answer, which has no body. */
  isBare(piece: Buffer): boolean {
    if (this.#over) return false;
    const head = piece.toString("latin1", 0, MAX_HEAD_BYTES);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    // The answer itself is still to come.
    if (status >= 100 && status < 200 && status !== 101) return false;
    this.#over = true;
    if (!(status >= 200) || head.indexOf(END_OF_HEAD) !== piece.length - END_OF_HEAD.length) return false;
    return this.#bodiless || status === 204 || status === 304 || /\r\ncontent-length:[ \t]*0[ \t]*\r\n/i.test(head);
  }
}
