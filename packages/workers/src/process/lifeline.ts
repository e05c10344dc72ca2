import { closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { makeFifo } from "./libc.js";

/**
 * A named pipe that a workerd holds open for as long as it lives. Whoever opens it for reading sees its end at the moment the process is gone:
 * an exit seen as an event, also for a process that is not our child, with no thread to wait and no polling.
 */
export function createLifeline(path: string): number {
  rmSync(path, { force: true });
  makeFifo(path);
  // Opened for both directions, because opening only for writing fails while nobody reads.
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** Resolves when no process holds the lifeline any more; at once if none does. `stop` gives up watching, and it never resolves. */
export function watchLifeline(path: string): { ended: Promise<void>; stop(): void } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let socket: Socket;
  try {
    socket = new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const ended = new Promise<void>((resolve) => {
    socket.once("end", resolve);
    // A pipe that breaks is no longer held either; whoever waits looks at the process itself.
    socket.once("error", () => resolve());
  });
  socket.resume();
  return { ended, stop: () => socket.removeAllListeners("end").destroy() };
}
