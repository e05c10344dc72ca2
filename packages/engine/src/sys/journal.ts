import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { isErrno } from "@longshore/contract";

/** Lines that are more than twice the entries, and this many more, are not worth keeping. */
const SPARE_LINES = 256;

type Line<Value> = readonly [key: string, value?: Value];

/**
 * A map whose changes are the lines of one file: each takes one write to an open file, where a file for each entry would be made and removed. No
 * fsync: it is for what ends with the machine. The process may be killed at any instruction: a change is there or not, and each line begins by ending
 * what was left unfinished before it.
 */
export class Journal<Value> implements Disposable {
  readonly #file: string;
  readonly #entries = new Map<string, Value>();
  #lines = 0;
  #descriptor: number | undefined;

  /** Reads what is there; the file is made with the first change. */
  constructor(file: string) {
    this.#file = file;
    for (const [key, value] of readLines<Value>(file)) {
      this.#lines++;
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set(key, value);
    }
  }

  get entries(): ReadonlyMap<string, Value> {
    return this.#entries;
  }

  /** The value has survived a kill of this process when this returns. */
  set(key: string, value: Value): void {
    this.#append([key, value]);
    this.#entries.set(key, value);
  }

  /** Returns false when there was no such entry. */
  delete(key: string): boolean {
    if (!this.#entries.has(key)) return false;
    this.#append([key]);
    return this.#entries.delete(key);
  }

  /** Closes the file, which stays. */
  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #append(line: Line<Value>): void {
    if (this.#lines > 2 * this.#entries.size + SPARE_LINES) this.#compact();
    this.#descriptor ??= openSync(this.#file, "a", 0o600);
    const text = Buffer.from(encode(line));
    // What a full disk cuts off is ended by the next line; whoever asked for this change is told.
    if (writeSync(this.#descriptor, text) < text.length) throw new Error(`${this.#file} could not be written: the disk is full.`);
    this.#lines++;
  }

  #compact(): void {
    const partial = `${this.#file}.partial`;
    writeFileSync(partial, [...this.#entries].map(encode).join(""), { mode: 0o600 });
    this[Symbol.dispose]();
    renameSync(partial, this.#file);
    this.#lines = this.#entries.size;
  }
}

function encode(line: Line<unknown>): string {
  return `\n${JSON.stringify(line)}\n`;
}

function* readLines<Value>(file: string): Iterable<Line<Value>> {
  for (const text of contents(file).split("\n")) {
    const line = parsed<Value>(text);
    if (line !== undefined) yield line;
  }
}

function contents(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "";
    throw error;
  }
}

function parsed<Value>(text: string): Line<Value> | undefined {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as Line<Value>;
  } catch (error) {
    // The process was killed while it wrote this line, or the disk was full.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
