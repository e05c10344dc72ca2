/**
 * The few words of Cap'n Proto's text format that a workerd configuration needs. Each function returns a finished expression, so a value can
 * never end its own literal and become syntax.
 */
export type Expression = string & { readonly __expression: unique symbol };

const expression = (source: string): Expression => source as Expression;

/**
 * A `Text` literal that stands for exactly the UTF-8 bytes of `value`. All but plain ASCII is written as `\xHH`, so quotes, line ends, NUL and
 * bytes of other scripts need no rules of their own.
 */
export function text(value: string): Expression {
  let literal = '"';
  for (const byte of Buffer.from(value, "utf8")) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    literal += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return expression(`${literal}"`);
}

/** The bytes of a file, as `Text` or `Data`. Relative names count from the configuration file. */
export function embed(file: string): Expression {
  return expression(`embed ${text(file)}`);
}

export function bool(value: boolean): Expression {
  return expression(value ? "true" : "false");
}

export function list(items: readonly Expression[]): Expression {
  return expression(items.length === 0 ? "[]" : `[\n${indent(items.join(",\n"))}\n]`);
}

/** A struct, on one line when its fields fit there. Fields that are `undefined` are left out; field names are ours, never a user's. */
export function struct(fields: Readonly<Record<string, Expression | undefined>>): Expression {
  const parts = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name} = ${value}`]));
  const line = `(${parts.join(", ")})`;
  return expression(line.length <= 120 && !line.includes("\n") ? line : `(\n${indent(parts.join(",\n"))}\n)`);
}

/** A whole file whose constant `config` is the given `Workerd.Config`. */
export function configFile(config: Expression): string {
  return `using Workerd = import "/workerd/workerd.capnp";\n\nconst config :Workerd.Config = ${config};\n`;
}

/** No literal holds a raw line end, so indenting touches syntax only. */
function indent(source: string): string {
  return source.replace(/^/gm, "  ");
}
