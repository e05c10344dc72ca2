// What becomes of right values: JSON with other types, names and depths, forms and texts with damage.
import fc from "fast-check";

/** Texts that have been trouble somewhere. */
export const ODD_TEXTS: readonly string[] = [
  "",
  " ",
  "..",
  "../..",
  "/",
  "//",
  "a/b",
  "\0",
  "a\0b",
  "\r\nX-Injected: 1",
  "ü",
  "\u202e",
  "\ud800",
  "😀".repeat(50),
  "a".repeat(300),
  "x".repeat(5_000),
  "__proto__",
  "constructor",
  "toString",
  "null",
  "undefined",
  "NaN",
  "-1",
  "0",
  "1e309",
  "9".repeat(40),
  "%",
  "%00",
  "%2e%2e%2f",
  "'; DROP TABLE x; --",
  "<script>",
  "sha256:..",
  "f".repeat(32),
  "00000000-0000-0000-0000-000000000000",
];

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  [],
  {},
  [[]],
  [null],
  { a: { b: { c: {} } } },
  Array.from({ length: 200 }, (_, i) => i),
  ...ODD_TEXTS,
];

/** One change of a value, described by numbers so that it fits any value. */
export interface Edit {
  readonly kind: "replace" | "remove" | "add" | "rename" | "repeat" | "prototype" | "deep";
  readonly at: number;
  readonly with: number;
}

export const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "replace" as const,
      "replace" as const,
      "remove" as const,
      "add" as const,
      "rename" as const,
      "repeat" as const,
      "prototype" as const,
      "deep" as const,
    ),
    at: fc.nat({ max: 9_999 }),
    with: fc.nat({ max: 9_999 }),
  }),
  { maxLength: 3 },
);

/** The JSON text of `value` with the edits made. `undefined` stays undefined. */
export function damagedJson(value: unknown, changes: readonly Edit[]): string {
  const root = { value: structuredClone(value) };
  const suffixes: ((text: string) => string)[] = [];
  for (const edit of changes) {
    const places = placesIn(root);
    const place = places[edit.at % places.length];
    if (place !== undefined) apply(edit, place, suffixes);
  }
  return suffixes.reduce((text, change) => change(text), JSON.stringify(root.value) ?? "");
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function placesIn(holder: object): Place[] {
  return Object.entries(holder).flatMap(([key, inner]) => [
    { holder: holder as Record<string, unknown>, key },
    ...(typeof inner === "object" && inner !== null ? placesIn(inner) : []),
  ]);
}

function apply({ kind, with: choice }: Edit, { holder, key }: Place, suffixes: ((text: string) => string)[]): void {
  const odd = structuredClone(ODD_VALUES[choice % ODD_VALUES.length]);
  const value = holder[key];
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (kind === "replace") holder[key] = odd;
  else if (kind === "remove") delete holder[key];
  else if (kind === "add" && isObject) Object.assign(value, { [ODD_TEXTS[choice % ODD_TEXTS.length] || "more"]: odd });
  else if (kind === "add" && Array.isArray(value)) value.push(odd);
  else if (kind === "rename") {
    delete holder[key];
    holder[`${key}${choice % 2 === 0 ? "x" : key.toUpperCase()}`] = value;
  } else if (kind === "repeat" && Array.isArray(value)) value.push(...value.slice(0, 50));
  // As text, since an object can hold neither.
  else if (kind === "repeat")
    suffixes.push((text) => text.replace(/"([^"]+)":/, (whole, name) => `"${name}":${JSON.stringify(odd)},${whole}`));
  else if (kind === "prototype") suffixes.push((text) => text.replace("{", '{"__proto__":{"isAdmin":true,"scopes":["all:write"]},'));
  else if (kind === "deep") {
    const depth = 200 + (choice % 8_000);
    holder[key] = "~deep~";
    suffixes.push((text) =>
      text.replace('"~deep~"', choice % 2 === 0 ? "[".repeat(depth) + "]".repeat(depth) : `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`),
    );
  }
}

/** One damage to bytes: some of them cut out, put in or repeated. */
export interface Damage {
  readonly position: number;
  readonly cut: number;
  readonly insert: Uint8Array;
}

export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.record({
    position: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    cut: fc.nat({ max: 40 }),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom("\r\n", "\r\n\r\n", "--", '"', ";", "\0").map((text) => new Uint8Array(Buffer.from(text))),
    ),
  }),
  { maxLength: 3 },
);

export function damagedBytes(bytes: Buffer, changes: readonly Damage[]): Buffer {
  let result = bytes;
  for (const { position, cut, insert } of changes) {
    const at = Math.floor(position * result.length);
    result = Buffer.concat([result.subarray(0, at), insert, result.subarray(at + cut)]);
  }
  return result;
}
