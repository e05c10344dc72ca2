import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import { docker } from "../testing/docker-client.js";
import { type RunningEngine, runningEngine } from "../testing/running-engine.js";
import { type TarEntry, tarOf } from "../testing/tar-bytes.js";
import { locate } from "./path-stat.js";

interface Reply {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly bytes: Buffer;
}

async function archive(engine: RunningEngine, method: string, path: string, body?: Buffer, more = ""): Promise<Reply> {
  const query = `path=${encodeURIComponent(path)}${more}`;
  return await new Promise((resolve, reject) => {
    const call = httpRequest(
      {
        socketPath: engine.open.directories.dockerSocket,
        method,
        path: `/containers/box/archive?${query}`,
        agent: false,
        timeout: 120_000,
      },
      (response) => {
        const { statusCode: status = 0, headers } = response;
        buffer(response).then((bytes) => resolve({ status, headers, bytes }), reject);
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

/** Starts a container that runs the script and stays. */
async function box(engine: RunningEngine, script: string): Promise<void> {
  const { dockerSocket } = engine.open.directories;
  const Cmd = ["sh", "-c", `${script}; echo ready >/tmp/ready; sleep 1000`];
  const created = await docker(dockerSocket, "POST", "/containers/create?name=box", { Image: "acc/web:1", Cmd });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  assert.equal((await docker(dockerSocket, "POST", "/containers/box/start")).status, 204);
  const deadline = Date.now() + 60_000;
  while ((await archive(engine, "HEAD", "/tmp/ready")).status !== 200) assert.ok(Date.now() < deadline, "the script does not end");
}

const put = (engine: RunningEngine, path: string, ...entries: TarEntry[]) => archive(engine, "PUT", path, tarOf(...entries));
const stat = ({ headers }: Reply) =>
  JSON.parse(Buffer.from(String(headers["x-docker-container-path-stat"]), "base64").toString()) as Record<string, unknown>;

test("where a path leads", () => {
  assert.deepEqual(locate("/a/b"), { directory: "/a", name: "b" });
  assert.deepEqual(locate("a/b/"), { directory: "/a/b/", name: "." });
  assert.deepEqual(locate("/a/b/."), { directory: "/a/b", name: "." });
  assert.deepEqual(locate("/../../x"), { directory: "/", name: "x" });
  assert.deepEqual(locate("/"), { directory: "/", name: "." });
  assert.throws(() => locate(""), LongshoreError);
});

test("files get in and out, with modes, owners and links as the container has them", async () => {
  await using engine = await runningEngine();
  await box(engine, "mkdir /data; ln -s ../data /tmp/link");
  const entries: TarEntry[] = [
    { name: "./", type: "5", mode: 0o700 },
    { name: "dir/", type: "5", mode: 0o751, uid: 7, gid: 8 },
    { name: "dir/file", body: "content", mode: 0o640, uid: 1000, gid: 1001, mtime: 1_000 },
    { name: "dir/soft", type: "2", link: "/etc/passwd" },
    { name: "hard", type: "1", link: "dir/file" },
    { name: "deep/er/file", body: "x" },
  ];
  assert.equal((await archive(engine, "PUT", "/tmp/link", gzipSync(tarOf(...entries)))).status, 200);
  const seen = await archive(engine, "HEAD", "/data/dir/file");
  assert.deepEqual([stat(seen).name, stat(seen).size, stat(seen).mode], ["file", 7, 0o640]);
  const link = await archive(engine, "HEAD", "/data/dir/soft");
  assert.deepEqual([stat(link).linkTarget, Number(stat(link).mode) >= 2 ** 27], ["/etc/passwd", true]);
  const back = await archive(engine, "GET", "/data/dir");
  const text = back.bytes.toString("latin1");
  assert.deepEqual([...text.matchAll(/dir\/[a-z]*(?=\0)/g)].map(([name]) => name).sort(), ["dir/", "dir/file", "dir/soft"]);
  // The owner of dir/file, in the header's octal digits.
  assert.ok(text.includes("0001750\x000001751\x00"), "1000 and 1001");
  assert.equal((await archive(engine, "GET", "/data/none")).status, 404);
  assert.equal((await put(engine, "/none", { name: "a", body: "a" })).status, 404);
  assert.equal((await put(engine, "/etc/passwd", { name: "a", body: "a" })).status, 400);
  assert.equal((await put(engine, "/", { name: "data", body: "no directory any more" })).status, 409);
  assert.equal((await put(engine, "/data", { name: "dir/file", body: "replaced" })).status, 200);
  assert.ok((await archive(engine, "GET", "/data/dir/file")).bytes.includes("replaced"));
});

test("neither an archive nor a container's links lead out of the container", async () => {
  await using engine = await runningEngine();
  const victim = join(engine.directory, "victim");
  writeFileSync(victim, "untouched");
  const host = engine.directory;
  await box(engine, `ln -s / /tmp/root; ln -s ${host} /tmp/host; ln -s ${victim} /tmp/file; ln -s /proc/1/root /tmp/proc; mkdir -p /a/b`);
  for (const name of ["../x", "a/../../x", `../../../..${victim}`]) {
    assert.equal((await put(engine, "/a/b", { name, body: "gone" })).status, 400, name);
  }
  // Absolute names are below the directory; links are the container's own.
  assert.equal((await put(engine, "/a", { name: victim, body: "inside" })).status, 200);
  assert.ok((await archive(engine, "GET", `/a${victim}`)).bytes.includes("inside"));
  for (const path of [
    "/tmp/host",
    "/tmp/file",
    `/tmp/root${victim}`,
    `/tmp/proc${victim}`,
    `/../../..${victim}`,
    `/proc/self/root${victim}`,
  ]) {
    const { status, bytes } = await archive(engine, "GET", `${path}${path === "/tmp/host" ? "/" : ""}`);
    assert.ok(!bytes.includes("untouched"), path);
    assert.ok(status === 404 || path === "/tmp/file", `${path}: ${status}`);
  }
  const twice = [
    { name: "escape", type: "2", link: host },
    { name: "escape/victim", body: "changed" },
    { name: "file", body: "by a link" },
    { name: "link", type: "1", link: `../../..${victim}` },
  ];
  await put(engine, "/tmp", ...twice.slice(0, 2));
  await put(engine, "/tmp", ...twice.slice(2, 3));
  assert.notEqual((await put(engine, "/tmp", ...twice.slice(3))).status, 200);
  assert.equal((await put(engine, "/tmp/proc/tmp", { name: "through-proc", body: "x" })).status !== 500, true);
  assert.equal(readFileSync(victim, "utf8"), "untouched");
  assert.equal(existsSync("/through-proc"), false);
});

test("a damaged archive is told, devices are left out, and an ended container has no files", async () => {
  await using engine = await runningEngine();
  await box(engine, "true");
  assert.equal((await archive(engine, "PUT", "/tmp", Buffer.alloc(2000, "no archive"))).status, 400);
  assert.equal((await archive(engine, "PUT", "/tmp", tarOf({ name: "a", body: "abc" }).subarray(0, 514))).status, 400);
  assert.equal((await put(engine, "/tmp", { name: "device", type: "3" }, { name: "after", body: "x" })).status, 200);
  assert.equal((await archive(engine, "HEAD", "/tmp/device")).status, 404);
  assert.equal((await archive(engine, "HEAD", "/tmp/after")).status, 200);
  const dockerSocket = engine.open.directories.dockerSocket;
  assert.equal((await docker(dockerSocket, "DELETE", "/containers/box?force=1")).status, 204);
  assert.equal((await archive(engine, "HEAD", "/tmp/after")).status, 404);
});
