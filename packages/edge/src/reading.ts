import { connect, type Socket } from "node:net";

/** Of one read at most. */
const BUFFER_BYTES = 65_536;
/** What is smaller is copied out, which is cheaper than keeping track of it. */
const LENT_BYTES = 8_192;
/** Buffers kept for the next reads. */
const SPARE_BUFFERS = 32;

const spare: Buffer[] = [];
/** Memory of a chunk that was lent → where the chunk ends. */
const lent = new WeakMap<ArrayBufferLike, number>();

/**
 * A connection to a unix socket for reading much. Node.js takes new memory for each read, and with large answers collecting that costs more than
 * passing them on. Here whoever has passed a chunk on gives it back ({@link giveBack}), and its memory is read into again. A chunk that nobody
 * gives back is collected like any other.
 */
export function connectReader(path: string): Socket {
  let buffer = take();
  const socket: Socket = connect({
    path,
    onread: {
      buffer: () => buffer,
      callback: (bytes) => {
        const chunk = buffer.subarray(0, bytes);
        if (bytes < LENT_BYTES) return socket.push(Buffer.from(chunk));
        lent.set(buffer.buffer, bytes);
        buffer = take();
        return socket.push(chunk);
      },
    },
  });
  socket.once("close", () => keep(buffer));
  return socket;
}

/**
 * Says that nothing will read these bytes any more. They may be a part of what was read at once: parts are passed on in their order, so the last one
 * speaks for all of them.
 */
export function giveBack(chunk: Buffer): void {
  const end = lent.get(chunk.buffer);
  if (end === undefined || chunk.byteOffset + chunk.length !== end) return;
  lent.delete(chunk.buffer);
  keep(Buffer.from(chunk.buffer));
}

/** True for chunks that {@link giveBack} does anything for. */
export function isLent(chunk: Buffer): boolean {
  return lent.has(chunk.buffer);
}

function take(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

function keep(buffer: Buffer): void {
  if (spare.length < SPARE_BUFFERS) spare.push(buffer);
}
