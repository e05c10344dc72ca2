import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";

const LINES = 100;

/** The last lines of each log of an installation, under its path: the engine's, the server's, each Worker's and each container's. */
export function logTails(data: string): string {
  const files = [
    ...list(join(data, "logs")),
    ...list(join(data, "workers")).map((script) => join(script, "workerd.log")),
    ...list(join(data, "engine/logs")),
  ];
  return files.map((file) => `--- ${file}\n${tail(file)}`).join("\n");
}

function list(directory: string): string[] {
  return orElse([], () => readdirSync(directory).map((name) => join(directory, name)));
}

function tail(file: string): string {
  return orElse("(not there)", () => readFileSync(file, "utf8").trimEnd().split("\n").slice(-LINES).join("\n"));
}

function orElse<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return otherwise;
    throw error;
  }
}
