import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Copies a program of the host with its libraries into a directory that becomes a container's root; `false` when the host has none of that name. */
export function copyHostProgram(name: string, root: string): boolean {
  let path: string;
  try {
    path = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  } catch {
    return false;
  }
  const libraries = [...execFileSync("ldd", [path], { encoding: "utf8" }).matchAll(/(\/\S+) \(/g)].map(([, file = ""]) => file);
  for (const file of [path, ...libraries]) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    copyFileSync(file, join(root, file));
    chmodSync(join(root, file), statSync(file).mode & 0o7777);
  }
  return true;
}
