import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

/** Copies a program of this machine with its libraries below a directory, which then can be laid over an image. */
export function copyProgram(name: string, directory: string): void {
  const path = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  const libraries = [...execFileSync("ldd", [path], { encoding: "utf8" }).matchAll(/(\/\S+) \(/g)].map(([, file = ""]) => file);
  for (const file of [path, ...libraries]) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    cpSync(file, join(directory, file), { dereference: true });
  }
}
