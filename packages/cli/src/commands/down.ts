import { LongshoreError } from "@longshore/contract";
import { dataDirectory, readPresence } from "@longshore/server";
import { type Command, text } from "../command.js";

const DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 50;

export const downCommand: Command = {
  name: "down",
  summary: "end the Longshore that runs on this machine",
  help: `Usage: longshore down [--data <dir>]

Ends Longshore, its Workers and its containers. Stored data stays.

Example:
  longshore down --data /srv/longshore`,
  options: { data: { type: "string" } },
  async run(values, _words, output) {
    const data = dataDirectory(text(values, "data"));
    const { pid } = readPresence(data);
    process.kill(pid, "SIGTERM");
    const deadline = Date.now() + DEADLINE_MS;
    while (isRunning(pid)) {
      if (Date.now() > deadline)
        throw new LongshoreError("TIMEOUT", `Process ${pid} has not ended within ${DEADLINE_MS / 1000} s.`, {
          hint: `Its logs are in ${data}/logs.`,
        });
      // The process is not our child: nothing tells when it ends.
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    output.note("Longshore has ended.");
    return 0;
  },
};

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
