import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { statOf } from "../process/proc.js";

/** What a running installation says of itself, for the CLI on the same machine. The file is root's: it holds the token. */
export interface Presence {
  /** The process of `longshore up`. */
  readonly pid: number;
  /** When that process began, in clock ticks since the boot. */
  readonly processStart: number;
  readonly startedAt: string;
  readonly accountId: string;
  readonly token: string;
  /** For example `http://127.0.0.1:8787/client/v4`. */
  readonly apiUrl: string;
  /** `host:port`, as it stands in image names. */
  readonly registryHost: string;
  /** For example `http://<name>.localhost:8080`, with the word `<name>`. */
  readonly edgeUrl: string;
  readonly domain: string;
  readonly edgePort: number;
  /** As `edgeUrl`, where HTTPS is served. */
  readonly edgeTlsUrl?: string;
  readonly tlsPort?: number;
  readonly certificateFile: string;
}

const file = (data: string) => join(data, "running.json");

/** Says that this process runs the installation. */
export function writePresence(data: string, facts: Omit<Presence, "pid" | "processStart">): Presence {
  const presence = { pid: process.pid, processStart: statOf("/proc/self")?.startTime ?? 0, ...facts };
  writeFileSync(`${file(data)}.partial`, JSON.stringify(presence, undefined, 2), { mode: 0o600 });
  renameSync(`${file(data)}.partial`, file(data));
  return presence;
}

export function removePresence(data: string): void {
  rmSync(file(data), { force: true });
}

/** The installation that runs on a data directory. Errors: `UNAVAILABLE` when none does, `FORBIDDEN` when this user may not see it. */
export function readPresence(data: string): Presence {
  try {
    const presence = JSON.parse(readFileSync(file(data), "utf8")) as Presence;
    if (isRunning(presence)) return presence;
  } catch (cause) {
    if (isErrno(cause, "EACCES")) {
      throw new LongshoreError("FORBIDDEN", `${file(data)} cannot be read by this user.`, {
        cause,
        hint: "Run the command as root, or set CLOUDFLARE_API_TOKEN.",
      });
    }
    if (!isErrno(cause, "ENOENT")) throw cause;
  }
  throw new LongshoreError("UNAVAILABLE", `Longshore does not run on the data directory ${data}.`, {
    hint: `Start it with "longshore up --data ${data}", or name the right directory with --data.`,
  });
}

/** After a crash of the machine the file is still there, and the process id may be anybody's. */
function isRunning({ pid, processStart }: Presence): boolean {
  const found = statOf(`/proc/${pid}`);
  return found !== undefined && found.state !== "Z" && found.startTime === processStart;
}
