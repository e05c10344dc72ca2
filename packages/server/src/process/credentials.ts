import { statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

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
  const closed = closedTo(dirname(fileURLToPath(import.meta.url)));
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

/** The first directory on the way that others may not pass through. */
function closedTo(path: string): string | undefined {
  const above = path === "/" ? undefined : closedTo(dirname(path));
  return above ?? ((statSync(path).mode & 0o001) === 0 ? path : undefined);
}
