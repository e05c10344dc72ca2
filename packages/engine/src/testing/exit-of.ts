import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The exit code that conmon reports for a sandbox. */
export async function exitOf(exitsDirectory: string, id: string): Promise<number> {
  const signal = AbortSignal.timeout(30_000);
  const read = async () => await readFile(join(exitsDirectory, id), "utf8").catch(() => "");
  const watcher = watch(exitsDirectory);
  try {
    for (let content = await read(); ; content = await read()) {
      if (content !== "") return Number(content);
      await new Promise((resolve, reject) => {
        watcher.once("change", resolve);
        signal.addEventListener("abort", () => reject(new Error("no exit code after 30 s")));
      });
    }
  } finally {
    watcher.close();
  }
}
