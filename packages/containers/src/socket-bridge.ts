import type { ActivityTracker } from "./activity.js";

/** Close codes that say "no code" or "no close frame" and may not be sent. */
const UNSENDABLE_CODES: ReadonlySet<number> = new Set([1005, 1006, 1015]);

/**
 * Joins the program's WebSocket to one for the client and returns the answer that carries it. Messages keep their kind and their order. The
 * container counts as in use until either side has closed.
 */
export function bridge(response: Response, activity: Pick<ActivityTracker, "become" | "end">): Response {
  const inner = response.webSocket;
  if (inner === null) throw new TypeError("The answer has no WebSocket.");
  const pair = new WebSocketPair();
  const client = pair[0];
  const outer = pair[1];
  let open = true;
  const ended = () => {
    if (open) activity.end("webSockets");
    open = false;
  };
  accept(inner);
  accept(outer);
  pass(outer, inner, ended);
  pass(inner, outer, ended);
  activity.become("webSockets");
  return new Response(null, { status: 101, webSocket: client, headers: response.headers });
}

function accept(socket: WebSocket): void {
  // Binary messages as ArrayBuffer: they can be passed on at once, and so in order.
  socket.binaryType = "arraybuffer";
  // A close is answered by the other side, not by the runtime.
  socket.accept({ allowHalfOpen: true });
}

function pass(from: WebSocket, to: WebSocket, ended: () => void): void {
  from.addEventListener("message", ({ data }) => {
    if (to.readyState === WebSocket.OPEN) to.send(data);
  });
  from.addEventListener("close", ({ code, reason }) => {
    ended();
    close(to, code, reason);
  });
  from.addEventListener("error", () => {
    ended();
    close(to, 1011, "The other side of the connection failed.");
  });
}

function close(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.CLOSED) return;
  if (UNSENDABLE_CODES.has(code)) socket.close(1000);
  else socket.close(code, reason);
}
