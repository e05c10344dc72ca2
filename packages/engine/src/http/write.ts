import type { Writable } from "node:stream";

/** Writes, and resolves when there is room for more. A target that closes meanwhile resolves too. */
export async function writeTo(target: Writable, chunk: Buffer | string): Promise<void> {
  if (target.destroyed || target.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      target.off("drain", go).off("close", go);
      resolve();
    };
    target.on("drain", go).on("close", go);
  });
}
