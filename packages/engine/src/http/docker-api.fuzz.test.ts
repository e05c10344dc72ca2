import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { damagedText, fuzz, nearly } from "../testing/fuzz.js";
import { containerName, runningEngine } from "../testing/running-engine.js";

const name = containerName(1);
const paths = [
  ...["/_ping", "/version", "/info", "/containers/json?all=1", "/images/json", "/volumes", '/volumes?filters={"name":["x"]}', "/events"],
  ...[
    `/containers/create?name=${name}`,
    `/containers/create?name=${name}-proxy`,
    "/v1.44/containers/create",
    "/volumes/create",
    "/commit?container=x&repo=y",
  ],
  ...["json", "start", "stop?t=1", "kill?signal=SIGTERM", "wait", "logs?stdout=1&tail=5", "exec", "archive?path=/", "resize?w=1&h=1"].map(
    (what) => `/containers/${name}/${what}`,
  ),
  ...["/exec/x/start", "/exec/x/json", "/exec/x/resize?w=80&h=24", "/images/x/json", "/networks/bridge", "//", "/%ff"],
];
const create = {
  Image: "a".repeat(32),
  Cmd: ["sh", "-c", "exit 0"],
  Env: ["A=b"],
  Labels: { a: "b" },
  Tty: false,
  HostConfig: { Mounts: [{ Type: "volume", Source: "x", Target: "/x" }], Memory: 0, ExtraHosts: ["a:1.2.3.4"], NetworkMode: "x" },
};
const exec = { AttachStdin: true, Cmd: ["ls"], Env: [], User: "0", WorkingDir: "/", Tty: false, Detach: true };

const calls = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"),
  // A space or a control character is Node's own client's to refuse.
  path: damagedText(paths).map((path) => `/${path.replace(/^\//, "").replace(/[^\x21-\x7e]/g, "~")}`),
  body: fc.oneof(nearly(create), nearly(exec), nearly({ Name: "v", Labels: {} })).map((value) => JSON.stringify(value)),
  cut: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat({ max: 20 })),
});

/** Longer is a hang. */
const ANSWER_MS = 60_000;
/** Calls that are answered when something happens. */
const STAYS = /\/(wait|logs|events)/;
/** So long they are listened to. */
const LISTEN_MS = 2_000;

async function call(
  socketPath: string,
  agent: Agent,
  { method, path, body, cut }: { method: string; path: string; body: string; cut: number },
) {
  return await new Promise<{ status: number; content: string }>((resolve, reject) => {
    const sent = body.slice(0, body.length - cut);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(sent) };
    const signal = AbortSignal.timeout(STAYS.test(path) ? LISTEN_MS : ANSWER_MS);
    const outgoing = request({ socketPath, agent, method, path, headers, signal }, (response) => {
      const status = response.statusCode ?? 0;
      text(response).then(
        (content) => resolve({ status, content }),
        () => resolve({ status, content: "" }),
      );
    });
    // An upgrade is a call that has begun to stream; it is not followed any further.
    outgoing.on("upgrade", (_response, socket) => {
      socket.destroy();
      resolve({ status: 101, content: "" });
    });
    outgoing.on("error", (error) =>
      error.name === "AbortError" && STAYS.test(path) ? resolve({ status: 200, content: "" }) : reject(error),
    );
    outgoing.end(sent);
  });
}

test("whatever is asked of a tenant's Docker API, the answer is the caller's mistake or a success, and the engine goes on", async () => {
  await using engine = await runningEngine();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  await fuzz(calls, async (one) => {
    const { status, content } = await call(engine.socket, agent, one);
    assert.ok(status >= 100 && status !== 500, `${one.method} ${one.path} was answered ${status}: ${content}`);
  });
  agent.destroy();
  const alive = await engine.open.engine.instances();
  assert.ok(alive.length <= 8);
  const spare = 40;
  // What was closed last may take its time.
  for (let turn = 0; turn < 200 && descriptors() > before + spare; turn++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(descriptors() <= before + spare, `${descriptors()} files are open, ${before} were`);
});
