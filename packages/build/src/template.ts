/**
 * The part of Go's text/template that tools write after `--format`: fields, `json`, `len`, `index`, `join`, `upper`, `lower`, pipes,
 * `range`/`if` with `else` and `end`, and trim marks. Anything else is refused by name, never guessed.
 */
import { LongshoreError } from "@longshore/contract";

type Block = { kind: "range" | "if"; expression: string; body: Node[]; otherwise: Node[] };
type Node = { kind: "text"; text: string } | { kind: "print"; expression: string } | Block;

/** Renders `template` over `data`; `json` alone stands for `{{json .}}`. Errors: `INVALID_INPUT` for what this subset does not know. */
export function renderTemplate(template: string, data: unknown): string {
  const source = template === "json" ? "{{json .}}" : template;
  return render(parse(source), data);
}

function fail(message: string): never {
  throw new LongshoreError("INVALID_INPUT", `--format: ${message}`, {
    hint: "Known here: fields, json, len, index, join, upper, lower, range, if, else, end, and pipes between them.",
  });
}

function parse(source: string): Node[] {
  const root: Node[] = [];
  const open: Block[] = [];
  let into = root;
  let rest = source;
  while (rest !== "") {
    const start = rest.indexOf("{{");
    const text = start < 0 ? rest : rest.slice(0, start);
    const action = start < 0 ? undefined : /^\{\{(-\s)?([\s\S]*?)(\s-)?\}\}/.exec(rest.slice(start));
    if (action === null) fail(`"{{" without "}}" in ${JSON.stringify(source)}.`);
    if (text !== "") into.push({ kind: "text", text: action?.[1] === undefined ? text : text.trimEnd() });
    if (action === undefined) break;
    rest = rest.slice(start + action[0].length);
    if (action[3] !== undefined) rest = rest.trimStart();

    const words = (action[2] ?? "").trim();
    const block = /^(range|if)\s+([\s\S]+)$/.exec(words);
    const inner = open.at(-1);
    if (block !== null) {
      const node: Block = { kind: block[1] === "range" ? "range" : "if", expression: block[2] ?? "", body: [], otherwise: [] };
      into.push(node);
      open.push(node);
      into = node.body;
    } else if (words === "else" && inner !== undefined) {
      into = inner.otherwise;
    } else if (words === "end" && inner !== undefined) {
      open.pop();
      const outer = open.at(-1);
      into = outer === undefined ? root : outer.otherwise.includes(inner) ? outer.otherwise : outer.body;
    } else if (words === "else" || words === "end") {
      fail(`"{{${words}}}" without a "range" or an "if" before it.`);
    } else {
      into.push({ kind: "print", expression: words });
    }
  }
  if (open.length > 0) fail(`"${open[0]?.kind}" has no "{{end}}".`);
  return root;
}

function render(nodes: readonly Node[], data: unknown): string {
  let out = "";
  for (const node of nodes) {
    if (node.kind === "text") {
      out += node.text;
      continue;
    }
    const value = evaluate(node.expression, data);
    if (node.kind === "print") {
      out += show(value);
    } else if (node.kind === "if") {
      out += render(isTrue(value) ? node.body : node.otherwise, data);
    } else {
      const items = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
      out += items.length === 0 ? render(node.otherwise, data) : items.map((item) => render(node.body, item)).join("");
    }
  }
  return out;
}

/** A pipeline: each command's value is the last argument of the next one. */
function evaluate(expression: string, data: unknown): unknown {
  let piped: unknown[] = [];
  for (const command of splitOutsideStrings(expression, "|")) {
    const words = splitOutsideStrings(command.trim(), " ").filter((word) => word !== "");
    const [name = ""] = words;
    const isValue = /^[."`\d]/.test(name);
    const values = (isValue ? words : words.slice(1)).map((word) => operand(word, data));
    if (isValue && (values.length > 1 || piped.length > 0)) fail(`"${command.trim()}" is not a function call.`);
    piped = [isValue ? values[0] : call(name, [...values, ...piped])];
  }
  return piped[0];
}

function splitOutsideStrings(text: string, separator: string): string[] {
  const parts = [""];
  let quote = "";
  for (const character of text) {
    if (quote === "" && character === separator) {
      parts.push("");
      continue;
    }
    if (quote === character) quote = "";
    else if (quote === "" && (character === '"' || character === "`")) quote = character;
    parts[parts.length - 1] += character;
  }
  return parts;
}

function operand(word: string, data: unknown): unknown {
  if (/^\d+$/.test(word)) return Number(word);
  if (/^`[^`]*`$/.test(word)) return word.slice(1, -1);
  if (word.startsWith('"')) {
    try {
      return JSON.parse(word) as unknown;
    } catch {
      return fail(`${word} is not a string.`);
    }
  }
  if (word === ".") return data;
  if (!/^(?:\.[A-Za-z_]\w*)+$/.test(word)) return fail(`"${word}" is not known here.`);
  let value = data;
  for (const field of word.slice(1).split(".")) {
    if (!isRecord(value) || !Object.hasOwn(value, field)) {
      fail(`there is no field "${field}" for "${word}"${isRecord(value) ? `; there are ${Object.keys(value).join(", ")}` : ""}.`);
    }
    value = value[field];
  }
  return value;
}

function call(name: string, args: readonly unknown[]): unknown {
  const [first, second] = args;
  switch (name) {
    case "json":
      return JSON.stringify(first ?? null);
    case "len":
      if (first === null || first === undefined) return 0;
      if (typeof first === "string") return Buffer.byteLength(first);
      if (Array.isArray(first)) return first.length;
      return isRecord(first) ? Object.keys(first).length : fail("len needs a list, a map or a string.");
    case "index":
      if (Array.isArray(first) && typeof second === "number" && second < first.length) return first[second] as unknown;
      if (isRecord(first) && typeof second === "string") return first[second];
      return fail(`index has no element ${JSON.stringify(second)}.`);
    case "join":
      return Array.isArray(first) && typeof second === "string" ? first.map(show).join(second) : fail("join needs a list and a string.");
    case "upper":
      return show(first).toUpperCase();
    case "lower":
      return show(first).toLowerCase();
    default:
      return fail(`the function "${name}" is not known here.`);
  }
}

/** Go's `%v`. */
function show(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (isRecord(value)) {
    const keys = Object.keys(value).sort();
    return `map[${keys.map((key) => `${key}:${show(value[key])}`).join(" ")}]`;
  }
  return String(value);
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
