import { readBeginInRoot, statInRoot } from "../sys/open-in-root.js";

/** The shell that every sandbox has, for images without one. */
const OWN_SHELL = ["/.longshore/busybox", "sh"] as const;

/** A command line that the kernel can run, or why there is none, with the exit code that shells give for it. */
export type Runnable = { readonly argv: readonly string[] } | { readonly exitCode: 126 | 127; readonly message: string };

export interface ExecutableSearch {
  /** The container's root, as the engine reaches it. */
  readonly root: string;
  readonly workingDirectory: string;
  /** The value of PATH. */
  readonly searchPath: string;
}

/** Looks before the start, since the OCI runtimes' own messages differ and do not name what is missing. */
export function findExecutable(argv: readonly string[], search: ExecutableSearch): Runnable {
  const [program = "", ...rest] = argv;
  const directory = statInRoot(search.root, search.workingDirectory);
  if (directory !== "hidden" && directory?.kind !== "directory") {
    return { exitCode: 126, message: `The working directory ${search.workingDirectory} does not exist in the container.` };
  }
  const present = candidates(program, search).map((path) => ({ path, found: statInRoot(search.root, path) }));
  const runnable = present.find(({ found }) => found === "hidden" || found?.executable);
  if (runnable?.found === "hidden") return { argv };
  if (runnable !== undefined) {
    const shell = interpreter(search.root, runnable.path);
    return { argv: shell.length === 0 ? argv : [...shell, runnable.path, ...rest] };
  }
  // Scripts and tools ask for /bin/sh by name; an image without one gets ours.
  if (program === "/bin/sh" || program === "sh") return { argv: [...OWN_SHELL, ...rest] };
  if (present.some(({ found }) => found !== undefined)) return { exitCode: 126, message: `${program}: not an executable file` };
  return { exitCode: 127, message: `${program}: not found` };
}

function candidates(program: string, { workingDirectory, searchPath }: ExecutableSearch): string[] {
  if (program === "") return [];
  if (program.includes("/")) return [program.startsWith("/") ? program : `${workingDirectory}/${program}`];
  return searchPath.split(":").map((directory) => `${directory === "" ? workingDirectory : directory}/${program}`);
}

/** A text file without `#!` is a script for the shell, as it would be if a shell ran it. */
function interpreter(root: string, path: string): readonly string[] {
  const begin = readBeginInRoot(root, path, 4).toString("latin1");
  if (begin.startsWith("#!") || begin === "\x7fELF") return [];
  const shell = statInRoot(root, "/bin/sh");
  return shell !== "hidden" && shell?.executable ? ["/bin/sh"] : OWN_SHELL;
}
