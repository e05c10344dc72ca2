import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { LongshoreError } from "@longshore/contract";

/** How a child is started: a program in front of Node.js that takes rights away. */
export interface Credentials {
  readonly wrapper?: readonly string[];
}

/**
 * Runs a child as an unprivileged user, able only to bind low ports. When that user cannot read this program's own files (a checkout below a
 * home directory that is closed to others), the child stays root, and the operator is told how to change that.
 */
export function unprivileged(uid: number, notify: (message: string) => void): Credentials {
  if (uid === 0) return {};
  const closed = closedTo(uid, dirname(fileURLToPath(import.meta.url)));
  if (closed !== undefined) {
    notify(
      `The server runs as root, because ${closed} is closed to other users. Put Longshore somewhere below /opt to have it run unprivileged.`,
    );
    return {};
  }
  const id = String(uid);
  return {
    wrapper: [
      "setpriv",
      `--reuid=${id}`,
      `--regid=${id}`,
      "--clear-groups",
      "--inh-caps=-all,+net_bind_service",
      "--ambient-caps=-all,+net_bind_service",
      "--no-new-privs",
    ],
  };
}

/** Errors: `FORBIDDEN` when a child with these credentials could not get to a directory, however open that one is itself. */
export function requireReachable(directory: string, uid: number, { wrapper }: Credentials): void {
  // Root gets everywhere.
  if (wrapper === undefined) return;
  const closed = closedTo(uid, dirname(realpathSync(directory)));
  if (closed === undefined) return;
  throw new LongshoreError(
    "FORBIDDEN",
    `The data directory ${directory} is below ${closed}, which is closed to other users: the server, which does not run as root, cannot get there.`,
    { hint: `Name a --data elsewhere, such as /var/lib/longshore, or open the way: chmod o+x ${closed}` },
  );
}

/** The first directory on the way that a user, in no group but its own, may not pass through. */
function closedTo(uid: number, path: string): string | undefined {
  const above = path === "/" ? undefined : closedTo(uid, dirname(path));
  if (above !== undefined) return above;
  const { mode, uid: owner, gid: group } = statSync(path);
  const passes = owner === uid ? 0o100 : group === uid ? 0o010 : 0o001;
  return (mode & passes) === 0 ? path : undefined;
}
