import { crc32 } from "node:zlib";

/** A checksum of S3's, over bytes that come in pieces. `digest` is base64, as S3's headers have it. */
export interface Checksum {
  update(bytes: Uint8Array): void;
  digest(): string;
}

export class Crc32 implements Checksum {
  #value = 0;

  update(bytes: Uint8Array): void {
    this.#value = crc32(bytes, this.#value);
  }

  digest(): string {
    return base64([this.#value]);
  }
}

const CASTAGNOLI = 0x82f63b78;

export class Crc32c implements Checksum {
  #value = 0xffff_ffff;

  update(bytes: Uint8Array): void {
    let value = this.#value;
    for (const byte of bytes) value = ((TABLE_32C[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)) >>> 0;
    this.#value = value;
  }

  digest(): string {
    return base64([~this.#value >>> 0]);
  }
}

/** NVMe's polynomial, its bits turned round, in halves. */
const NVME = { high: 0x9a6c9329, low: 0xac4bc9b5 };

/** In two halves of 32 bits: JavaScript has no quick numbers of 64. */
export class Crc64Nvme implements Checksum {
  #high = 0xffff_ffff;
  #low = 0xffff_ffff;

  update(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (const byte of bytes) {
      const at = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (TABLE_64.low[at] ?? 0);
      high = (high >>> 8) ^ (TABLE_64.high[at] ?? 0);
    }
    this.#high = high;
    this.#low = low;
  }

  digest(): string {
    return base64([~this.#high >>> 0, ~this.#low >>> 0]);
  }
}

const TABLE_32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? CASTAGNOLI ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

const TABLE_64 = makeTable64();

function makeTable64(): { readonly high: Uint32Array; readonly low: Uint32Array } {
  const table = { high: new Uint32Array(256), low: new Uint32Array(256) };
  for (let byte = 0; byte < 256; byte++) {
    let high = 0;
    let low = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry === 1) {
        low ^= NVME.low;
        high ^= NVME.high;
      }
    }
    table.high[byte] = high;
    table.low[byte] = low;
  }
  return table;
}

function base64(words: readonly number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  for (const [at, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, at * 4);
  return bytes.toString("base64");
}
