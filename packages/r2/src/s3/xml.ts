import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";
import { R2Error } from "../errors.js";

const builder = new XMLBuilder({ suppressEmptyNode: false, processEntities: true });
const parser = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  // Names of objects may hold what the parser's own decoding leaves out.
  processEntities: false,
  tagValueProcessor: (_name, value) => decodeReferences(value),
  isArray: (name) => name === "Object" || name === "Part",
});
const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeReferences(text: string): string {
  return text.replace(
    /&(?:(amp|lt|gt|quot|apos)|#x([0-9a-f]{1,6})|#(\d{1,7}));/gi,
    (whole, name: string | undefined, hex?: string, decimal?: string) => {
      if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** A tree of elements: lists repeat their element, `undefined` leaves it out. */
export type Tree = { readonly [name: string]: string | number | boolean | Tree | readonly Tree[] | readonly string[] | undefined };

/** An answer of S3's. Control characters, which names of objects may have, are written as references. */
export function xml(root: string, tree: Tree): string {
  const body = builder.build({ [root]: tree }) as string;
  const named = body.replace(`<${root}>`, `<${root} xmlns="${NAMESPACE}">`);
  return `<?xml version="1.0" encoding="UTF-8"?>${named}`.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant
    /[\u0000-\u001f]/g,
    (character) => `&#x${character.charCodeAt(0).toString(16)};`,
  );
}

/** What is in the root element of a request's body. Errors: `MalformedXML`. */
export function parseXml(bytes: Buffer, root: string): unknown {
  const text = bytes.toString("utf8");
  // Documents with definitions of their own are nobody's request.
  if (/<!(DOCTYPE|ENTITY)/i.test(text) || XMLValidator.validate(text) !== true) throw new R2Error("MalformedXML");
  try {
    return (parser.parse(text) as Record<string, unknown>)[root];
  } catch (cause) {
    throw new R2Error("MalformedXML", undefined, { cause });
  }
}
