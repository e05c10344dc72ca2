import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { repository } from "./settings.js";

/** An application outside the repository, to change and to deploy. */
export interface AppDirectory extends Disposable {
  /** Where its configuration file is: the directory to call wrangler in. */
  readonly path: string;
  /** Writes a file below `path`. */
  write(file: string, content: string): void;
  /** Replaces a text that is there exactly once. Throws when it is not, so that no test goes on with an application that is not changed. */
  replace(file: string, from: string, to: string): void;
}

export interface AppSource {
  /** A directory of `examples/` to copy. */
  readonly example?: string;
  /** Files to write over it: path → content. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Copies an example, or makes an application from files, in a temporary directory that finds the repository's npm packages. */
export function appDirectory({ example, files = {} }: AppSource): AppDirectory {
  const directory = mkdtempSync(join(tmpdir(), "longshore-app-"));
  symlinkSync(join(repository, "node_modules"), join(directory, "node_modules"));
  // Examples refer to one another, so they stay neighbours.
  if (example !== undefined)
    cpSync(join(repository, "examples"), directory, { recursive: true, filter: (path) => !/\/(node_modules|\.wrangler)$/.test(path) });
  const path = join(directory, example ?? "app");
  const app: AppDirectory = {
    path,
    write(file, content) {
      const target = join(path, file);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
    },
    replace(file, from, to) {
      const target = join(path, file);
      const parts = readFileSync(target, "utf8").split(from);
      if (parts.length !== 2) throw new Error(`${target} holds ${JSON.stringify(from)} ${parts.length - 1} times, not once.`);
      writeFileSync(target, parts.join(to));
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) app.write(file, content);
  return app;
}
