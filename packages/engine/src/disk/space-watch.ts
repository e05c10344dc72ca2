import type { Log } from "../engine-parts.js";
import { freeBytes, HOST_RESERVE_BYTES } from "./disks.js";

const LOOK_EVERY_MS = 10_000;

/**
 * Says it when the host's disk runs low and when there is room again: all disks together may promise more than the host has, and the disks of
 * running containers become read-only when it is full. Looks now and then, which costs a system call. Disposing ends it.
 */
export function watchSpace(directory: string, log: Log): Disposable {
  let isLow = false;
  const look = async () => {
    const free = await freeBytes(directory);
    if (free < HOST_RESERVE_BYTES !== isLow) {
      isLow = !isLow;
      const message = isLow ? "the disk is nearly full: no container can be started" : "the disk has room again";
      log(message, { directory, freeMb: Math.floor(free / 1e6) });
    }
  };
  const failed = (error: unknown) => log("free disk space is unknown", { directory, error: String(error) });
  const timer = setInterval(() => void look().catch(failed), LOOK_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
