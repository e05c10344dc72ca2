import { Socket } from "node:net";
import { descriptorOf, duplicate } from "../sys/descriptor.js";
import { closeFd, holdUntilEnd } from "../sys/libc.js";
import { Conversation } from "./conversation.js";
import { FirstAnswer } from "./first-answer.js";
import { SwitchWatch } from "./switch-watch.js";

export interface Relay {
  /** A connection that was accepted. Its stream is replaced: it is of no use to the caller any more, and shows as closed. */
  readonly client: Socket;
  /** A connected socket, taken over. */
  readonly descriptor: number;
  /** Sent to the client before anything else. */
  readonly greeting: string;
  /** What the client has sent, as far as the caller has read it. */
  readonly early: Buffer;
  /** Called whenever something comes from the client. */
  arrived(): void;
  /** Called once if the connection becomes a WebSocket, before the client hears of it. What it returns is called when that is over. */
  switched?(): () => void;
  /** Called once when the client's side has closed. */
  ended?(): void;
}

/** A coupled pair of connections. */
export interface Relayed {
  /** Ends both with what has been read, unless somebody waits on it for an answer. What is spared at one call may be a stream at a later one. */
  cutStream(): void;
}

/** Of one read at most: four times as much was no faster, and each connection keeps its buffers. */
const BUFFER_BYTES = 65_536;
/**
 * A WebSocket has no half: when its client is gone it is over, and a program that has not closed its side after so many milliseconds will not.
 * workerd keeps the other half open as long as the program does.
 */
const FAREWELL_MS = 5000;
/** Buffers of connections that have ended, kept for others. */
const SPARE_BUFFERS = 32;

const spare: Buffer[] = [];

/**
 * Couples two connections until both have ended; each side's end and failure reaches the other.
 *
 * Each side reads into one buffer, used over and over, and reads on when the other side's kernel has all of it. Streams coupled with `pipe()` take new
 * memory for each read: with large bodies, collecting that cost the engine twice as much as the transfer.
 *
 * Nothing is returned when the client has gone already.
 */
export function relay({ client: accepted, descriptor, greeting, early, arrived, switched, ended }: Relay): Relayed | undefined {
  const own = descriptorOf(accepted);
  if (own === undefined) {
    closeFd(descriptor);
    ended?.();
    return undefined;
  }
  // Read by Node.js while nobody asked for it.
  const buffered = accepted.read() as Buffer | null;
  const client = new End(duplicate(own));
  accepted.destroy();
  const app = new End(descriptor);
  const first = new FirstAnswer();
  const conversation = new Conversation();
  client.sendTo(app.socket, (piece) => {
    arrived();
    conversation.asks(performance.now());
    first.asks(piece);
    return false;
  });
  const switching = new SwitchWatch();
  app.sendTo(client.socket, (piece) => {
    if (switching.isIn(piece)) {
      conversation.switches();
      endTogether(client.socket, switched?.());
    }
    conversation.answers();
    return first.isBare(piece);
  });
  if (ended !== undefined) client.socket.once("close", ended);
  client.socket.write(greeting);
  for (const bytes of [early, buffered ?? early.subarray(0, 0)]) {
    if (bytes.length === 0) continue;
    conversation.asks(performance.now());
    first.asks(bytes);
    app.socket.write(bytes);
  }
  return {
    cutStream: () => {
      if (conversation.mayBeCut(performance.now())) for (const { socket } of [client, app]) socket.destroySoon();
    },
  };
}

/** One of two coupled sockets. */
class End {
  readonly socket: Socket;
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #take: (bytes: number) => boolean = () => false;

  constructor(fd: number) {
    const onread = { buffer: this.#buffer, callback: (bytes: number) => this.#take(bytes) };
    this.socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true, onread } as never);
  }

  /**
   * Everything that comes here goes to `to`, the end as well, and is shown to `isLast` before, which may say that this is the end. Call it in the
   * turn in which this was made.
   */
  sendTo(to: Socket, isLast: (piece: Buffer) => boolean): void {
    const { socket } = this;
    const buffer = this.#buffer;
    let inUse = false;
    const written = () => {
      if (!inUse || to.writableLength > 0) return;
      inUse = false;
      socket.resume();
    };
    this.#take = (bytes) => {
      const piece = bytes === buffer.length ? buffer : buffer.subarray(0, bytes);
      if (isLast(piece)) return endWith(to, piece);
      to.write(piece, written);
      // What the kernel takes at once is gone by now; the rest is sent from this buffer.
      inUse = to.writableLength > 0;
      return !inUse;
    };
    socket.on("error", () => to.destroy());
    socket.once("end", () => to.end());
    socket.once("close", () => {
      to.destroySoon();
      if (!inUse && spare.length < SPARE_BUFFERS) spare.push(buffer);
    });
  }
}

function endTogether(client: Socket, over: () => void = () => undefined): void {
  client.once("end", () => {
    over();
    setTimeout(() => client.destroy(), FAREWELL_MS).unref();
  });
  client.once("close", over);
}

/** Sends a last piece and the end in one packet, so that whoever gets it knows of the end before anything else can happen. Reading goes on. */
function endWith(to: Socket, piece: Buffer): true {
  const fd = descriptorOf(to);
  if (fd !== undefined) holdUntilEnd(fd);
  to.end(Buffer.from(piece));
  return true;
}
