import { Socket } from "node:net";

/** A new connection to the unix socket at `path`; errors come as events. */
export function connectUpstream(path: string): Socket {
  return new UpstreamSocket().connect(path);
}

/**
 * A Worker may answer without reading the whole body, and its process then closes the connection. Node.js ends a connection whose write fails, and the
 * answer that already lies there would be lost. Here the rest of the body falls on the floor, and reading decides: an answer, or the connection's end.
 */
class UpstreamSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, (error) => callback(isClosedByPeer(error) ? null : error));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], callback: (error?: Error | null) => void): void {
    super._writev?.(chunks, (error) => callback(isClosedByPeer(error) ? null : error));
  }
}

function isClosedByPeer(error: Error | null | undefined): boolean {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
  return code === "EPIPE" || code === "ECONNRESET";
}
