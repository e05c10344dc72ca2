import { watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { isErrno } from "@longshore/contract";
import { LineCutter, type LogPiece, parsePiece } from "./lines.js";
import { olderLog } from "./rotation.js";

export interface LogSelection {
  /** Only the last so many lines; absent: all that is kept. */
  readonly tail?: number;
  /** Only what was written at this time or later; ms since 1970. */
  readonly since?: number;
  readonly until?: number;
  /** Goes on until this is resolved, and all that was written by then has been given. Absent: what is there now. */
  readonly followUntil?: Promise<unknown>;
}

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** What a container wrote, oldest first. A log that is not there is empty. Ends early when `signal` aborts. */
export async function* readLog(logFile: string, selection: LogSelection, signal?: AbortSignal): AsyncGenerator<LogPiece> {
  for await (const piece of allPieces(logFile, selection, signal)) {
    const at = selection.since === undefined && selection.until === undefined ? 0 : Date.parse(piece.at);
    if (selection.since !== undefined && at < selection.since) continue;
    if (selection.until !== undefined && at > selection.until) return;
    yield piece;
  }
}

async function* allPieces(logFile: string, { tail, followUntil }: LogSelection, signal?: AbortSignal): AsyncGenerator<LogPiece> {
  await using current = await openLog(logFile);
  let skip = 0;
  if (tail !== undefined && current !== undefined) {
    const from = await tailStart(current.handle, tail);
    skip = from.offset;
    if (from.missing > 0) yield* olderPieces(logFile, from.missing);
  } else if (tail === undefined) {
    yield* olderPieces(logFile);
  }
  if (followUntil !== undefined) {
    yield* followPieces(logFile, current, skip, followUntil, signal);
  } else if (current !== undefined) {
    yield* pieces(current.handle, skip, new LineCutter());
  }
}

async function* olderPieces(logFile: string, tail?: number): AsyncGenerator<LogPiece> {
  await using older = await openLog(olderLog(logFile));
  if (older === undefined) return;
  const offset = tail === undefined ? 0 : (await tailStart(older.handle, tail)).offset;
  yield* pieces(older.handle, offset, new LineCutter());
}

/** Reads on as the kernel tells of writes, from one file to the next when conmon begins a new one. */
async function* followPieces(
  logFile: string,
  first: OpenLog | undefined,
  offset: number,
  followUntil: Promise<unknown>,
  signal?: AbortSignal,
): AsyncGenerator<LogPiece> {
  const aborted = () => signal?.aborted === true;
  let ended = false;
  let wake: () => void = () => undefined;
  const rouse = () => wake();
  void followUntil.then(() => {
    ended = true;
    rouse();
  });
  signal?.addEventListener("abort", rouse);
  let log = first;
  const place = { offset };
  try {
    while (log !== undefined && !aborted()) {
      const cutter = new LineCutter();
      const watcher = watch(logFile, rouse);
      try {
        for (;;) {
          const last = ended;
          const noticed = new Promise<void>((resolve) => {
            wake = resolve;
          });
          yield* pieces(log.handle, place.offset, cutter, place);
          if (aborted()) return;
          if (!(await isCurrent(log, logFile))) break;
          if (last) return;
          // Whatever happened since the read began has resolved this already.
          if (!ended) await noticed;
        }
      } finally {
        watcher.close();
      }
      // What was written between the last read and the change of files.
      yield* pieces(log.handle, place.offset, cutter, place);
      if (log !== first) await log[Symbol.asyncDispose]();
      log = await openLog(logFile);
      place.offset = 0;
    }
  } finally {
    signal?.removeEventListener("abort", rouse);
    if (log !== first) await log?.[Symbol.asyncDispose]();
  }
}

async function* pieces(handle: FileHandle, offset: number, cutter: LineCutter, place = { offset }): AsyncGenerator<LogPiece> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, place.offset);
    if (bytesRead === 0) return;
    place.offset += bytesRead;
    for (const line of cutter.cut(buffer.subarray(0, bytesRead))) {
      const piece = parsePiece(line);
      if (piece !== undefined) yield piece;
    }
  }
}

/** Where the last `lines` lines begin, and how many of them the file does not have. */
async function tailStart(handle: FileHandle, lines: number): Promise<{ offset: number; missing: number }> {
  const { size } = await handle.stat();
  if (lines === 0) return { offset: size, missing: 0 };
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The newline at the very end closes the last line, it begins none.
      if (buffer[at] !== NEWLINE || start + at === size - 1) continue;
      if (++found === lines) return { offset: start + at + 1, missing: 0 };
    }
    end = start;
  }
  return { offset: 0, missing: size === 0 ? lines : Math.max(0, lines - found - 1) };
}

interface OpenLog extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly inode: number;
}

async function openLog(file: string): Promise<OpenLog | undefined> {
  try {
    const handle = await open(file);
    return { handle, inode: (await handle.stat()).ino, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function isCurrent(log: OpenLog, file: string): Promise<boolean> {
  try {
    return (await stat(file)).ino === log.inode;
  } catch (error) {
    // Removed with its container: there is nothing newer.
    if (isErrno(error, "ENOENT")) return true;
    throw error;
  }
}
