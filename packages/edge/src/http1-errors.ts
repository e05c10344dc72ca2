import type { Duplex } from "node:stream";

interface ParseError extends Error {
  readonly code?: string;
  /** The piece of input in which it was found. */
  readonly rawPacket?: Buffer;
  /** Of that piece. */
  readonly bytesParsed?: number;
}

const BY_CODE: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Content Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Answers what could not be read as a request, and ends the connection: nobody knows where the next request would begin. */
export function refuseBroken(error: ParseError, socket: Duplex): void {
  const { writable, bytesWritten } = socket as Duplex & { bytesWritten?: number };
  // A client that has sent nothing is owed nothing, and bytes in the middle of an answer would be taken for a part of it.
  if (!writable || socket.destroyed || answering(socket) || (error.code === "ECONNRESET" && bytesWritten === 0)) {
    socket.destroy();
    return;
  }
  const status = isLongLine(error) ? "414 URI Too Long" : (BY_CODE[error.code ?? ""] ?? "400 Bad Request");
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

/** Node keeps the answer that is being sent on its connection. */
function answering(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as Duplex & { _httpMessage?: { headersSent: boolean } | null };
  return message?.headersSent === true;
}

function isLongLine({ code, rawPacket, bytesParsed }: ParseError): boolean {
  if (code !== "HPE_HEADER_OVERFLOW" || rawPacket === undefined) return false;
  const read = rawPacket.toString("latin1", 0, bytesParsed);
  return /^[A-Z]+ /.test(read) && !read.includes("\n");
}
