import { LongshoreError } from "@longshore/contract";

/** A directory that the layer has: its sub-directories and symbolic links by name. Other files are not kept: they lead nowhere. */
export interface DirectoryNode {
  readonly children: Map<string, DirectoryNode | string>;
  /** Set when the directory's own entry came: seconds since 1970. */
  mtime?: number;
}

/** A place in the layer whose parent directory exists and is a real directory all the way up. */
export interface Place {
  readonly parent: DirectoryNode;
  readonly name: string;
  /** Relative to the layer, without symbolic links before the last part. */
  readonly path: string;
}

const MAX_LINKS = 40;
/** Below the kernel's 4,096, so that the layer's own directory fits before it. */
const MAX_PATH = 3_500;
/** No image comes near, and what walks the layer later may do so recursively. */
const MAX_DEPTH = 512;

/**
 * Every name of a layer that can lead somewhere else. A layer starts as an empty directory, so this is complete, and paths are resolved here
 * rather than by the kernel: symbolic links lead where they would lead inside the container, and never out of the layer.
 */
export class LayerTree {
  readonly root: DirectoryNode = { children: new Map() };

  /**
   * Where an entry belongs. Missing directories on the way are reported to `create` and added; without `create` they are an error.
   * `undefined` means the root itself. Errors: `INVALID_INPUT` for `..`, for a way that is no directory, for links in a circle, for a path too long.
   */
  locate(path: string, create?: (path: string) => void): Place | undefined {
    if (path.includes("\0")) throw refused(path, "has a zero byte in its name");
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw refused(path, "leads out of the layer");
    const name = parts.pop();
    if (name === undefined) return undefined;
    const way = this.#walk(parts, path, create);
    return { parent: way.at(-1)?.node ?? this.root, name, path: [...way.map((step) => step.name), name].join("/") };
  }

  /** Every directory with its path, children before their parents. */
  *directories(node: DirectoryNode = this.root, path = ""): Generator<{ path: string; node: DirectoryNode }> {
    for (const [name, child] of node.children) {
      if (typeof child !== "string") yield* this.directories(child, path === "" ? name : `${path}/${name}`);
    }
    yield { path, node };
  }

  #walk(parts: string[], path: string, create?: (path: string) => void): { name: string; node: DirectoryNode }[] {
    const pending = [...parts].reverse();
    const way: { name: string; node: DirectoryNode }[] = [];
    let links = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === "..") {
        way.pop();
        continue;
      }
      const parent = way.at(-1)?.node ?? this.root;
      const child = parent.children.get(part);
      if (typeof child === "string") {
        if (++links > MAX_LINKS) throw refused(path, "goes through symbolic links without an end");
        if (child.startsWith("/")) way.length = 0;
        pending.push(
          ...child
            .split("/")
            .filter((piece) => piece !== "" && piece !== ".")
            .reverse(),
        );
        if (pending.length > MAX_PATH) throw refused(path, "has too long a path");
        continue;
      }
      const step = { name: part, node: child ?? { children: new Map() } };
      way.push(step);
      if (way.length > MAX_DEPTH || way.reduce((sum, { name }) => sum + name.length + 1, 255) > MAX_PATH) {
        throw refused(path, "has too long a path");
      }
      if (child !== undefined) continue;
      if (create === undefined) throw refused(path, "names a directory that the layer does not have");
      create(way.map(({ name }) => name).join("/"));
      parent.children.set(part, step.node);
    }
    return way;
  }
}

/** What is wrong with an entry, with its name made harmless to print. */
export function refused(path: string, why: string, cause?: unknown): LongshoreError {
  const shown = JSON.stringify(Buffer.from(path.slice(0, 200), "latin1").toString("utf8"));
  return new LongshoreError("INVALID_INPUT", `Its entry ${shown} ${why}.`, cause === undefined ? {} : { cause });
}
