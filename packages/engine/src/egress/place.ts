/** A container's place in the hub: its number gives its addresses, and the names and MAC addresses of both ends of its cable. */
export interface Place {
  readonly number: number;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Where every container finds its gateway and its resolver. No container and no host on the Internet has these addresses. */
export const GATEWAY = { ipv4: "100.127.0.1", ipv6: "fd6c:6f6e:6773::1" } as const;
/** The network prefix of all containers: the end of the range for carriers' own use (RFC 6598), and a unique local one (RFC 4193). */
const PREFIX = { ipv4: "100.127", ipv6: "fd6c:6f6e:6773:" } as const;
const FIRST = 2;
const LAST = 0xfffe;

export function placeOf(number: number): Place {
  return { number, ipv4: `${PREFIX.ipv4}.${number >> 8}.${number & 0xff}`, ipv6: `${PREFIX.ipv6}:${number.toString(16)}` };
}

/** Gives out places. One that was given back is given out again as late as possible: the kernel ends a cable a while after its container. */
export class Places {
  readonly #taken = new Set<number>();
  #next = FIRST;

  /** Errors: throws when all 65,533 are taken. */
  take(): Place {
    for (let tries = FIRST; tries <= LAST; tries++) {
      const number = this.#next;
      this.#next = number === LAST ? FIRST : number + 1;
      if (this.#taken.has(number)) continue;
      this.#taken.add(number);
      return placeOf(number);
    }
    throw new Error("every container address is taken");
  }

  /** Takes a certain place: that of a container which was there before this engine. */
  claim(number: number): Place {
    this.#taken.add(number);
    if (number >= this.#next) this.#next = number === LAST ? FIRST : number + 1;
    return placeOf(number);
  }

  giveBack({ number }: Place): void {
    this.#taken.delete(number);
  }
}

/** The bytes of an IP address, in network order. `text` must be one in the forms used here: dotted, or hexadecimal with one `::`. */
export function addressBytes(text: string): Buffer {
  if (!text.includes(":")) return Buffer.from(text.split(".").map(Number));
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string) => part.split(":").filter((group) => group !== "");
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return Buffer.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}
