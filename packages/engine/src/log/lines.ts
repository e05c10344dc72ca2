/** A piece of what a container wrote, as conmon keeps it: `<time> <stdout|stderr> <F|P> <text>`. */
export interface LogPiece {
  /** RFC 3339 with nanoseconds. */
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  /** False when more of the same line follows. */
  readonly whole: boolean;
  /** Without the newline; any bytes. */
  readonly text: Buffer;
}

const NEWLINE = 0x0a;

/** Parses one line of a log file; `undefined` for what conmon did not write. */
export function parsePiece(line: Buffer): LogPiece | undefined {
  // The longest prefix: a time of 35 characters, the stream, the mark.
  const match = /^(\S+) (stdout|stderr) ([FP]) /.exec(line.subarray(0, 64).toString("latin1"));
  if (match === null) return undefined;
  const [prefix, at = "", stream, mark] = match;
  return { at, stream: stream === "stderr" ? "stderr" : "stdout", whole: mark === "F", text: line.subarray(prefix.length) };
}

/** Cuts bytes that come in any portions into lines; a line that never ends is given up at 1 MiB. */
export class LineCutter {
  #rest: Buffer = Buffer.alloc(0);

  *cut(chunk: Buffer): Generator<Buffer> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      yield bytes.subarray(0, end);
      bytes = bytes.subarray(end + 1);
    }
    this.#rest = bytes.length > 1024 * 1024 ? Buffer.alloc(0) : Buffer.from(bytes);
  }
}
