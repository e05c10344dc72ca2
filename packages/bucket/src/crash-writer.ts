// The victim of `crash.test.ts`: writes to the bucket in argv[2] until it is killed, and prints a line for everything acknowledged.
import { createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { DirectoryBucket } from "./directory-bucket.js";

const [, , directory, run] = process.argv;
const bucket = await DirectoryBucket.open(directory ?? "");

await Promise.all([objects("text"), objects("stream"), counter()]);

/** New objects, each named after what it must contain. */
async function objects(kind: "text" | "stream"): Promise<void> {
  for (let i = 0; ; i++) {
    const bytes = randomBytes(1 + ((i * 7919) % 300_000));
    const key = `objects/${kind}-${run}/${i % 7}/${i}/${createHash("sha256").update(bytes).digest("hex")}`;
    await bucket.put(key, kind === "text" ? bytes : Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), { ifNoneMatch: "*" });
    acknowledge({ key });
  }
}

/** One object, replaced again and again by compare-and-swap. */
async function counter(): Promise<void> {
  for (;;) {
    const now = await bucket.get("counter");
    const value = now === undefined ? 0 : Number((await text(now.body)).split(" ", 1)[0]);
    const body = `${value + 1} ${"x".repeat(10_000)} end`;
    await bucket.put("counter", body, now === undefined ? { ifNoneMatch: "*" } : { ifMatch: now.etag });
    acknowledge({ counter: value + 1 });
  }
}

/** Synchronously, so that a line that was begun is complete when the process dies. */
function acknowledge(fact: { key: string } | { counter: number }): void {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}
