/** How an answer begins after which the connection is no HTTP any more (RFC 9110, 15.2.2). */
const SWITCHING = Buffer.from("HTTP/1.1 101 ");

/**
 * Watches what a program sends on one connection for the answer that changes protocols. An answer begins with a piece, since nothing is asked before
 * the one before has come; a body's piece that begins so is taken for one too.
 */
export class SwitchWatch {
  /** Of {@link SWITCHING}, what the pieces before have had. */
  #begun = 0;
  #over = false;

  /** True for the piece with which the protocol changes, once. */
  isIn(piece: Buffer): boolean {
    if (this.#over || piece.length === 0) return false;
    this.#begun = reach(piece, this.#begun) || reach(piece, 0);
    this.#over = this.#begun === SWITCHING.length;
    return this.#over;
  }
}

/** How much of {@link SWITCHING} there is with this piece, if `begun` bytes came before it; 0 if it does not go on so. */
function reach(piece: Buffer, begun: number): number {
  const length = Math.min(piece.length, SWITCHING.length - begun);
  // Nearly every piece differs in its first byte.
  if (piece[0] !== SWITCHING[begun]) return 0;
  return SWITCHING.compare(piece, 0, length, begun, begun + length) === 0 ? begun + length : 0;
}
