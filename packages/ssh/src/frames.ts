const HEADER_BYTES = 8;
const STDERR = 2;

/** Takes apart the frames in which output without a terminal comes: stream, length, bytes. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** The pieces that are complete now. */
  read(chunk: Buffer): { readonly error: boolean; readonly bytes: Buffer }[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const pieces: { error: boolean; bytes: Buffer }[] = [];
    while (this.#pending.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#pending.readUInt32BE(4);
      if (this.#pending.length < end) break;
      pieces.push({ error: this.#pending[0] === STDERR, bytes: this.#pending.subarray(HEADER_BYTES, end) });
      this.#pending = this.#pending.subarray(end);
    }
    return pieces;
  }
}
