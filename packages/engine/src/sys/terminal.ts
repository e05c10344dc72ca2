import { closeSync, readSync, write } from "node:fs";
import { Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import { isErrno } from "@longshore/contract";
import { closeFd, libcFunction, SystemCallError } from "./libc.js";

const fcntlCall = libcFunction("int fcntl(int fd, int command, int argument)");
const ioctlNumber = libcFunction("int ioctl(int fd, unsigned long request, int value)");
const ioctlSize = libcFunction("int ioctl(int fd, unsigned long request, const void *size)");

const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_RDWR_NONBLOCK = 0o4002;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCGPTPEER = 0x5441;
/** O_RDWR, O_NOCTTY, O_CLOEXEC. */
const INNER_FLAGS = 0o2000402;
const CHUNK_BYTES = 64 * 1024;
/** More than a terminal's buffers hold. */
const LAST_WORDS_BYTES = 1024 * 1024;
/** The terminal's input buffer is full until its process reads; nothing tells when it has. */
const FULL_RETRY_MS = 5;

/** The outer end of a terminal: what is written here is typed there. */
export class Terminal {
  /** Ends after {@link finish}. */
  readonly output: Readable;
  readonly input: Writable;
  readonly #own: OwnedDescriptor;
  /** Kept open, so that the end of the last process is no hang-up: Node.js throws away what is unread then. */
  readonly #inner: number;
  readonly #source: ReadStream;
  #finished = false;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    if (fcntlCall(fd, F_SETFL, O_RDWR_NONBLOCK) !== 0) throw new SystemCallError("fcntl", "terminal");
    // A second descriptor: Node closes its own by itself, while a write or a resize may still be under way.
    this.#own = new OwnedDescriptor(fcntlCall(fd, F_DUPFD_CLOEXEC, 0));
    this.#inner = ioctlNumber(fd, TIOCGPTPEER, INNER_FLAGS);
    this.#source = new ReadStream(fd);
    this.output = new Readable({ read: () => void this.#source.resume() });
    this.#source.on("data", (chunk: Buffer) => {
      if (!this.output.push(chunk)) this.#source.pause();
    });
    this.#source.on("error", () => this.finish());
    this.input = terminalInput(this.#own);
  }

  /** The process has ended: `output` ends with what it wrote last. Children left behind are heard no more. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#source.pause().removeAllListeners("data");
    for (let chunk = this.#source.read() as Buffer | null; chunk !== null; chunk = this.#source.read()) this.output.push(chunk);
    // The kernel says "nothing there" only when nothing is on its way either.
    for (let total = 0; total < LAST_WORDS_BYTES; ) {
      const chunk = this.#own.read();
      if (chunk === undefined) break;
      total += chunk.length;
      this.output.push(chunk);
    }
    this.output.push(null);
  }

  /** Rows and columns; the foreground process is told by SIGWINCH. Nothing happens once the terminal is closed. */
  resize(rows: number, columns: number): void {
    const size = Buffer.alloc(8);
    size.writeUInt16LE(rows, 0);
    size.writeUInt16LE(columns, 2);
    if (this.#own.open && ioctlSize(this.#own.fd, TIOCSWINSZ, size) !== 0) throw new SystemCallError("ioctl", "TIOCSWINSZ");
  }

  /** False for a terminal whose size nobody has set yet. */
  hasSize(): boolean {
    const size = Buffer.alloc(8);
    return this.#own.open && ioctlSize(this.#own.fd, TIOCGWINSZ, size) === 0 && size.readUInt16LE(0) > 0 && size.readUInt16LE(2) > 0;
  }

  close(): void {
    if (!this.#own.open) return;
    this.#source.destroy();
    this.input.destroy();
    this.#own.close();
    if (this.#inner >= 0) closeFd(this.#inner);
  }
}

/** A descriptor that is closed only when nobody is in a call with it. */
class OwnedDescriptor {
  readonly fd: number;
  open = true;
  #users = 0;

  constructor(fd: number) {
    if (fd < 0) throw new SystemCallError("fcntl", "F_DUPFD_CLOEXEC");
    this.fd = fd;
  }

  /** What can be read at once; `undefined` when there is nothing. */
  read(): Buffer | undefined {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    try {
      const bytes = this.open ? readSync(this.fd, chunk, 0, chunk.length, null) : 0;
      return bytes === 0 ? undefined : chunk.subarray(0, bytes);
    } catch (error) {
      if (isErrno(error, "EAGAIN") || isErrno(error, "EIO")) return undefined;
      throw error;
    }
  }

  enter(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
    if (!this.open && this.#users === 0) closeSync(this.fd);
  }

  close(): void {
    if (!this.open) return;
    this.enter();
    this.open = false;
    this.leave();
  }
}

/** Writing goes past Node's own stream, which spins while the terminal's input buffer is full. */
function terminalInput(descriptor: OwnedDescriptor): Writable {
  const put = (chunk: Buffer, done: (error?: Error | null) => void): void => {
    if (!descriptor.open) {
      done();
      return;
    }
    descriptor.enter();
    write(descriptor.fd, chunk, 0, chunk.length, null, (error, written) => {
      descriptor.leave();
      if (isErrno(error, "EAGAIN")) setTimeout(() => put(chunk, done), FULL_RETRY_MS);
      else if (error === null && written < chunk.length) put(chunk.subarray(written), done);
      else done(error);
    });
  };
  return new Writable({ write: (chunk: Buffer, _encoding, done) => put(chunk, done) });
}
