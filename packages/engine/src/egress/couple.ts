import type { Duplex } from "node:stream";

/** Carries bytes both ways until both sides have ended; a side that breaks takes the other with it. */
export function couple(one: Duplex, other: Duplex): void {
  const both = () => {
    one.destroy();
    other.destroy();
  };
  for (const side of [one, other]) {
    side.on("error", both);
    side.on("close", both);
  }
  one.pipe(other);
  other.pipe(one);
}
