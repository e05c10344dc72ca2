import fc from "fast-check";

/** Inputs for each fuzz test in the suite; `npm run fuzz` (tools/fuzz.mjs) sets many more. */
const RUNS = 500;
/** Any one input must be done with in this time: longer is a hang. */
const INPUT_MS = 5_000;

/** Runs `check` on many inputs; it must neither throw nor hang. Reports the smallest input that fails. */
export async function fuzz<T>(inputs: fc.Arbitrary<T>, check: (input: T) => Promise<void> | void): Promise<void> {
  const property = fc.asyncProperty(inputs, async (input) => await check(input));
  await fc.assert(property, { numRuns: fc.readConfigureGlobal().numRuns ?? RUNS, timeout: INPUT_MS });
}

/** Pieces of the bases and noise, put together and damaged: most are nearly right, which leads further in than noise alone. */
export function damaged(bases: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const byte = fc.integer({ min: 0, max: 255 });
  const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  const edit = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), position, byte }),
    fc.record({ kind: fc.constant("cut" as const), position, length: fc.integer({ min: 1, max: 600 }) }),
    fc.record({ kind: fc.constant("insert" as const), position, bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant("repeat" as const), position, length: fc.integer({ min: 1, max: 600 }) }),
  );
  const base = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...bases) }, fc.uint8Array({ maxLength: 1_500 }).map(Buffer.from));
  return fc.tuple(base, fc.array(edit, { maxLength: 6 })).map(([start, edits]) => {
    let bytes = Buffer.from(start);
    for (const each of edits) {
      const at = Math.floor(each.position * bytes.length);
      if (each.kind === "set") bytes.fill(each.byte, at, Math.min(at + 1, bytes.length));
      else if (each.kind === "cut") bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + each.length)]);
      else if (each.kind === "insert") bytes = Buffer.concat([bytes.subarray(0, at), each.bytes, bytes.subarray(at)]);
      else bytes = Buffer.concat([bytes.subarray(0, at + each.length), bytes.subarray(at)]);
    }
    return bytes;
  });
}

/** A text that is nearly one of these. */
export function damagedText(bases: readonly string[]): fc.Arbitrary<string> {
  return damaged(bases.map((base) => Buffer.from(base))).map((bytes) => bytes.toString("latin1"));
}

/** JSON that has the names of `shape` where it has any, with values of any kind. */
export function nearly(shape: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const member = (value: unknown): fc.Arbitrary<unknown> => {
    const right = typeof value === "object" && value !== null && !Array.isArray(value) ? nearly({ ...value }) : fc.constant(value);
    return fc.oneof({ weight: 3, arbitrary: right }, fc.jsonValue({ maxDepth: 2 }), fc.string(), fc.integer(), fc.constant(null));
  };
  const members = Object.fromEntries(Object.entries(shape).map(([name, value]) => [name, member(value)]));
  return fc.oneof({ weight: 9, arbitrary: fc.record(members, { requiredKeys: [] }) }, fc.jsonValue());
}
