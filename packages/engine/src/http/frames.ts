import { Transform } from "node:stream";

/** Which of a process's streams a piece of output comes from, as Docker numbers them. */
export const STREAM_NUMBER = { stdin: 0, stdout: 1, stderr: 2 } as const;

const HEADER_BYTES = 8;

/** Docker's frame: stream number, three zero bytes, the length as 32 bits big-endian, the bytes. */
export function frame(stream: "stdout" | "stderr", payload: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  framed.writeUInt32BE(STREAM_NUMBER[stream] << 24, 0);
  framed.writeUInt32BE(payload.length, 4);
  payload.copy(framed, HEADER_BYTES);
  return framed;
}

/** Frames what is written to it. */
export function framing(stream: "stdout" | "stderr"): Transform {
  return new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, frame(stream, chunk)) });
}
