import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import type { DescribedContainer } from "./describe.js";

/** Docker writes a filter as a list of values, or as an object with the values as keys. */
const filters = z.record(z.string(), z.union([z.array(z.string()), z.record(z.string(), z.boolean())]));

/** Tells whether a container is to be listed. `digestOf` knows images by their names. Errors: `INVALID_INPUT` for filters that are not known, since ignoring one would show too much. */
export function containerFilter(
  text: string | null,
  digestOf: (image: string) => string | undefined = () => undefined,
): (container: DescribedContainer) => boolean {
  const wanted = Object.entries(parse(text)).map(([name, values]) => {
    const matches = MATCHERS[name];
    if (matches === undefined) throw new LongshoreError("INVALID_INPUT", `There is no filter "${name}" for containers.`);
    // An image is looked for under all of its names: what counts is that it is the same one.
    const all = name === "ancestor" ? values.flatMap((value) => [value, digestOf(value) ?? value]) : values;
    return (container: DescribedContainer) => all.some((value) => matches(container, value));
  });
  return (container) => wanted.every((matches) => matches(container));
}

const MATCHERS: Readonly<Record<string, (container: DescribedContainer, value: string) => boolean>> = {
  id: ({ Id }, value) => Id.startsWith(value),
  name: ({ Names }, value) => Names.some((name) => name.includes(value)),
  ancestor: ({ Image, ImageID }, value) =>
    [Image, ImageID].includes(value) || Image.split(/[:@]/)[0] === value || ImageID.startsWith(value),
  status: ({ State }, value) => State === value,
  label({ Labels }, value) {
    const [name = "", ...rest] = value.split("=");
    return rest.length === 0 ? Object.hasOwn(Labels, name) : Labels[name] === rest.join("=");
  },
};

function parse(text: string | null): Record<string, string[]> {
  if (text === null || text === "") return {};
  const parsed = filters.safeParse(json(text));
  if (!parsed.success) throw new LongshoreError("INVALID_INPUT", `The filters ${text} cannot be read.`, { cause: parsed.error });
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, values]) => [name, Array.isArray(values) ? values : Object.keys(values)]),
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The filters ${text} are not JSON.`, { cause });
  }
}
