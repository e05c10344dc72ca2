import { appendFileSync } from "node:fs";

/** Adds a line of the engine's own to the log of a container that has ended: conmon has written all that the container wrote by then. */
export function noteInLog(logFile: string, text: string): void {
  // As conmon writes times, so that lines of several logs can be put in order as text.
  const at = new Date().toISOString().replace("Z", "000000+00:00");
  appendFileSync(logFile, `${at} stderr F longshore: ${text}\n`, { mode: 0o600 });
}
