import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { type LogLine, LongshoreError } from "@longshore/contract";
import { EngineClient } from "../client.js";
import { docker } from "../testing/docker-client.js";
import { type RunningEngine, runningEngine } from "../testing/running-engine.js";

const LOG_BYTES = 8 * 1024 * 1024;

interface Frame {
  readonly stream: number;
  readonly text: string;
}

async function logsOf(engine: RunningEngine, container: string, query: string): Promise<Frame[]> {
  const call = request({ socketPath: engine.socket, path: `/containers/${container}/logs?${query}` }).end();
  const [response] = await once(call, "response");
  const bytes = await buffer(response);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32BE(at + 4))
    frames.push({ stream: bytes[at] ?? 0, text: bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at + 4)).toString() });
  return frames;
}

const text = (frames: readonly Frame[]) => frames.map((each) => each.text).join("");

test("both streams from the first byte, by stream, tail and time, and followed to the end", async () => {
  await using engine = await runningEngine();
  const script = "echo first; echo bad >&2; printf half; sleep 0.3; echo ' line'; head -c 20000 /dev/zero | tr '\\0' x; echo; echo last";
  const name = await engine.start(1, ["sh", "-c", script]);
  const followed = logsOf(engine, name, "stdout=1&stderr=1&follow=1");
  await docker(engine.socket, "POST", `/containers/${name}/wait`);
  const all = await followed;
  assert.equal(text(all.filter(({ stream }) => stream === 1)), `first\nhalf line\n${"x".repeat(20_000)}\nlast\n`);
  assert.deepEqual(
    all.filter(({ stream }) => stream === 2),
    [{ stream: 2, text: "bad\n" }],
  );
  assert.deepEqual(await logsOf(engine, name, "stdout=1&stderr=1&tail=all"), all);
  assert.equal(text(await logsOf(engine, name, "stdout=1&tail=1")), "last\n");
  assert.deepEqual(await logsOf(engine, name, "stdout=1&tail=0"), []);
  assert.equal(text(await logsOf(engine, name, "stderr=1")), "bad\n");
  const [stamped] = await logsOf(engine, name, "stdout=1&timestamps=1");
  assert.match(stamped?.text ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+[+Z].* first\n$/);
  const middle = Date.parse(stamped?.text.split(" ")[0] ?? "") / 1000 + 0.15;
  assert.ok(!text(await logsOf(engine, name, `stdout=1&since=${middle}`)).includes("first"));
  assert.equal(text(await logsOf(engine, name, `stdout=1&until=${middle}`)).split("\n")[0], "first");
  assert.equal((await docker(engine.socket, "GET", `/containers/${name}/logs`)).status, 400);
});

test("a flood is bounded on the disk, keeps its last lines, and can be followed through every change of files", async () => {
  await using engine = await runningEngine();
  // The line is long enough for a file to fill in a moment, short enough not to be cut.
  const script = `yes ${"y".repeat(1000)} | head -n 60000; seq 1 100000; sleep 1000`;
  const name = await engine.start(1, ["sh", "-c", script]);
  const file = engine.open.engine.parts.logs.file((await engine.open.engine.instances())[0]?.id ?? "");
  const seen: string[] = [];
  const stop = new AbortController();
  for await (const { text: line } of engine.open.engine.readLogs({ application: "web", follow: true }, stop.signal)) {
    if (!line.startsWith("y")) seen.push(line);
    if (line === "100000") stop.abort();
  }
  // A reader may fall behind a flood, but what comes in order ends in order.
  assert.equal(seen.at(-1), "100000");
  const sizes = readdirSync(join(file, "..")).map((each) => statSync(join(file, "..", each)).size);
  assert.ok(Math.max(...sizes) <= LOG_BYTES + 64 * 1024, String(sizes));
  assert.deepEqual(await engine.open.engine.logs((await engine.open.engine.instances())[0]?.id ?? "", 3), ["99998", "99999", "100000"]);
  const tail = text(await logsOf(engine, name, "stdout=1&tail=100000"))
    .trim()
    .split("\n");
  assert.ok(tail.length > 90_000, `${tail.length} lines of the last 100000`);
});

test("an application's log: all instances in order, those that are gone too, over the admin socket", async () => {
  await using engine = await runningEngine();
  const client = new EngineClient(engine.open.directories.adminSocket, (id) => engine.open.directories.tenantSocket(id));
  const collect = async (query: Parameters<EngineClient["readLogs"]>[0]) => {
    const lines: LogLine[] = [];
    for await (const line of client.readLogs(query)) lines.push(line);
    return lines;
  };
  const first = await engine.start(1, ["sh", "-c", "echo one; exit 3"]);
  await docker(engine.socket, "POST", `/containers/${first}/wait`);
  await docker(engine.socket, "DELETE", `/containers/${first}?force=true`);
  assert.deepEqual(await engine.open.engine.instances(), []);
  await engine.start(2, ["sh", "-c", "echo two; sleep 1000"]);
  const stop = new AbortController();
  const followed: string[] = [];
  for await (const line of client.readLogs({ application: "app-1", follow: true }, stop.signal)) {
    followed.push(line.text);
    if (followed.length === 2) void engine.start(3, ["sh", "-c", "echo three; sleep 1000"]);
    if (line.text === "three") stop.abort();
  }
  assert.deepEqual(followed, ["one", "two", "three"]);
  const lines = await collect({ application: "web" });
  assert.deepEqual(
    lines.map((line) => line.text),
    ["one", "two", "three"],
  );
  assert.equal(lines[0]?.durableObjectId, "1".padStart(64, "0"));
  assert.deepEqual(
    (await collect({ application: "web", tail: 1 })).map((line) => line.text),
    ["three"],
  );
  await assert.rejects(collect({ application: "somebody-else" }), (error) => error instanceof LongshoreError && error.code === "NOT_FOUND");
  assert.deepEqual(
    (await collect({ application: "web", instance: lines[1]?.instance ?? "" })).map((line) => line.text),
    ["two"],
  );
});
