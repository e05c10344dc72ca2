import { createHash } from "node:crypto";

const SMALL = 200;

/** A value that says which write it is of, and whether it is whole: `<n>:<filling>:<digest>`. Every fourth is large. */
export function valueFor(n: number, large: number): string {
  const filling = createHash("sha256").update(String(n)).digest("hex");
  const size = n % 4 === 3 ? large : SMALL;
  const body = `${n}:${filling.repeat(Math.ceil(size / filling.length)).slice(0, size)}`;
  return `${body}:${createHash("sha256").update(body).digest("hex")}`;
}

/** Which write a value is of. Throws when it is not whole. */
export function writeOf(value: string): number {
  const end = value.lastIndexOf(":");
  const body = value.slice(0, end);
  if (createHash("sha256").update(body).digest("hex") !== value.slice(end + 1)) {
    throw new Error(`A value of ${value.length} characters is not whole: ${value.slice(0, 40)}…`);
  }
  return Number(body.split(":", 1)[0]);
}
