import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** A file that has grown to this many bytes is replaced by its last line. */
const MAX_BYTES = 64 * 1024;

/**
 * Makes `value` what the file says, which is made if need be: one more JSON line. That takes a few microseconds in a file that is there, while the
 * rename that replaces one waits for the disk on ext4. The last whole line counts, so the process may be killed at any instruction; each line begins by
 * ending what was left unfinished before it.
 */
export function writeLastLine(file: string, value: unknown): void {
  const line = `\n${JSON.stringify(value)}\n`;
  const fd = openSync(file, "a", 0o600);
  try {
    writeFileSync(fd, line);
    if (fstatSync(fd).size <= MAX_BYTES) return;
  } finally {
    closeSync(fd);
  }
  writeFileSync(`${file}.partial`, line, { mode: 0o600 });
  renameSync(`${file}.partial`, file);
}

/** What {@link writeLastLine} wrote last; `undefined` when nothing was written in full. */
export function readLastLine(file: string): unknown {
  const lines = readFileSync(file, "utf8").split("\n");
  for (const line of lines.reverse()) {
    const value = parsed(line);
    if (value !== undefined) return value;
  }
  return undefined;
}

function parsed(line: string): unknown {
  if (line === "") return undefined;
  try {
    return JSON.parse(line);
  } catch (error) {
    // The process was killed while it wrote this line, or the disk was full.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
