import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { LongshoreError } from "@longshore/contract";

/** An archive as it comes, or out of gzip: clients send either without saying which. Errors (while it is read): `INVALID_INPUT`. */
export async function plainArchive(source: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  async function* all() {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return head[0] === 0x1f && head[1] === 0x8b ? unzipped(all()) : all();
}

async function* unzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const fed = pipeline(source, gunzip).catch((cause: unknown) => {
    gunzip.destroy(new LongshoreError("INVALID_INPUT", "The archive's compression is damaged.", { cause }));
  });
  yield* gunzip as AsyncIterable<Buffer>;
  await fed;
}
