/** Reads the strings and numbers that SSH's messages consist of (RFC 4251, section 5). What is cut short reads as empty, and nothing is at its end then. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  #broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return !this.#broken && this.#at === this.#bytes.length;
  }

  /** How much was read. */
  get position(): number {
    return this.#at;
  }

  bytes(): Buffer {
    const length = this.uint32();
    return this.#take(length);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  uint32(): number {
    const bytes = this.#take(4);
    return bytes.length === 4 ? bytes.readUInt32BE() : 0;
  }

  uint64(): bigint {
    const bytes = this.#take(8);
    return bytes.length === 8 ? bytes.readBigUInt64BE() : 0n;
  }

  #take(length: number): Buffer {
    if (this.#broken || this.#at + length > this.#bytes.length) {
      this.#broken = true;
      return Buffer.alloc(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
