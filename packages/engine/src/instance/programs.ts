import { programInRoot, runsByItself } from "../image/root.js";
import type { Sandbox } from "../sandbox/sandbox.js";

/** A program's file as the container sees it. */
export interface Program {
  readonly path: string;
  /** False for text without `#!`, which only shells run. */
  readonly runsByItself: boolean;
}

const MAX_REMEMBERED = 1_000;

/** Finds programs in sandboxes that nothing has run in yet. What an image has is the same each time, and only looked for once. */
export class Programs {
  readonly #known = new Map<string, Program>();

  /** The file of `name`, a path or a name in one of `searchPath`'s directories. `restored`: the sandbox has more than its image. */
  find({ image, process }: Sandbox, name: string, searchPath: string, restored: boolean): Program | undefined {
    const { workingDirectory } = image.config;
    const key = restored ? undefined : JSON.stringify([image.digest, workingDirectory, searchPath, name]);
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const file = programInRoot(`/proc/${process.pid}/root`, name, workingDirectory, searchPath);
    if (file === undefined) return undefined;
    const program = { path: file.path, runsByItself: runsByItself(file) };
    if (key !== undefined) this.#remember(key, program);
    return program;
  }

  #remember(key: string, program: Program): void {
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(key, program);
  }
}
