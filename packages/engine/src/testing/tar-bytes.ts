/** One entry of a hand-made archive: exactly these bytes, however wrong. Names are `latin1`. */
export interface TarEntry {
  readonly name: string;
  /** Type flag; a file when absent. */
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** What the header says, when it lies about the body's length. */
  readonly size?: number;
  /** Records of a pax header before the entry. */
  readonly pax?: Readonly<Record<string, string>>;
}

/** An archive of these entries with its two blocks of zeros at the end. */
export function tarOf(...entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryBlocks), Buffer.alloc(1024)]);
}

function entryBlocks(entry: TarEntry): Buffer[] {
  const body = Buffer.from(entry.body ?? "");
  const blocks = [header(entry, entry.size ?? body.length), padded(body)];
  if (entry.pax === undefined) return blocks;
  const records = Buffer.from(
    Object.entries(entry.pax)
      .map(([key, value]) => paxRecord(key, value))
      .join(""),
    "latin1",
  );
  return [header({ name: "PaxHeaders/x", type: "x" }, records.length), padded(records), ...blocks];
}

function header({ name, type = "0", link = "", mode = 0o644, uid = 0, gid = 0, mtime = 0 }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name.slice(0, 100), 0, "latin1");
  const octal = (value: number, at: number, length: number) => block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write(link.slice(0, 100), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
