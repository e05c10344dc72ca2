import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { docker } from "../testing/docker-client.js";
import { type RunningEngine, runningEngine, WEB_IMAGE } from "../testing/running-engine.js";
import { keeperOf } from "./caller.js";

const name = (n: number) => `workerd-app-Box-${n.toString(16).padStart(64, "0")}`;
const IMAGE = "cloudflare-dev/box:1";
const GONE_DEADLINE_MS = 60_000;
const LOOK_EVERY_MS = 20;

/** Makes one request, from a process of its own, and prints the status and the body. */
const REQUEST = `
const [socketPath, method, path, body] = process.argv.slice(1);
const request = require("node:http").request({ socketPath, method, path, headers: { "content-type": "application/json" } }, (response) => {
  let text = "";
  response.setEncoding("utf8").on("data", (chunk) => { text += chunk; }).on("end", () => console.log(JSON.stringify({ status: response.statusCode, text })));
});
request.end(method === "POST" ? body : undefined);
`;

/** Stands for wrangler: what it runs are processes that it has started, as it starts workerd. */
class Keeper implements Disposable {
  readonly #shell: ChildProcess;
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
    this.#shell = spawn("sh", ["-c", 'while read -r line; do eval "$line"; done'], { stdio: ["pipe", "pipe", "inherit"] });
  }

  async ask(method: string, path: string, body: unknown = {}): Promise<{ status: number; text: string }> {
    const words = [process.execPath, "-e", REQUEST, this.#socket, method, path, JSON.stringify(body)];
    const quoted = words.map((word) => `'${word.replaceAll("\n", " ").replaceAll("'", "'\\''")}'`).join(" ");
    const answered = once(this.#shell.stdout ?? process.stdin, "data") as Promise<[Buffer]>;
    this.#shell.stdin?.write(`${quoted}\n`);
    return JSON.parse((await answered)[0].toString()) as { status: number; text: string };
  }

  /** What workerd does to have a container: its door, then itself. */
  async start(n: number, body: Record<string, unknown> = {}): Promise<{ status: number; text: string }> {
    assert.equal((await this.ask("POST", `/containers/create?name=${name(n)}-proxy`, { Image: "interceptor" })).status, 201);
    const created = await this.ask("POST", `/containers/create?name=${name(n)}`, { Image: IMAGE, Cmd: ["sleep", "1000"], ...body });
    if (created.status === 201) assert.equal((await this.ask("POST", `/containers/${name(n)}/start`)).status, 204);
    return created;
  }

  async kill(): Promise<void> {
    const ended = once(this.#shell, "exit");
    this.#shell.kill("SIGKILL");
    await ended;
  }

  [Symbol.dispose](): void {
    this.#shell.kill("SIGKILL");
  }
}

/** An engine that has been given an image for development. */
async function devEngine(): Promise<RunningEngine> {
  const engine = await runningEngine();
  const { localImages, imageSource } = engine.open.engine.parts;
  await localImages.copy(imageSource, WEB_IMAGE, IMAGE);
  return engine;
}

async function until(what: string, reached: () => boolean): Promise<void> {
  for (const deadline = Date.now() + GONE_DEADLINE_MS; !reached(); await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))) {
    assert.ok(Date.now() < deadline, `within ${GONE_DEADLINE_MS} ms there was not: ${what}`);
  }
}

test("each wrangler has a session of its own, which ends with it, whatever ended it", { timeout: 120_000 }, async () => {
  await using engine = await devEngine();
  const socket = engine.open.directories.dockerSocket;
  using one = new Keeper(socket);
  using other = new Keeper(socket);
  assert.equal((await one.start(1)).status, 201);
  assert.equal((await other.start(1)).status, 201, "the same name, but another's");
  assert.equal((await other.start(2)).status, 201);
  const sessions = () => [...engine.open.engine.tenants.keys()].filter((id) => keeperOf(id) !== undefined);
  assert.equal(sessions().length, 2);
  assert.equal((await other.ask("GET", `/containers/${name(2)}/json`)).status, 200);
  assert.equal((await one.ask("GET", `/containers/${name(2)}-proxy/json`)).status, 404, "not its own");

  await other.kill();
  await until("one session with one container", () => sessions().length === 1 && engine.open.engine.containers.byId.size === 1);
  assert.deepEqual(
    [...engine.open.engine.containers.byId.values()].map(({ record, status }) => [record.name, status]),
    [[name(1), "starting"]],
  );
  assert.equal((await one.ask("DELETE", `/containers/${name(1)}?force=true`)).status, 204);
});

test("what wrangler looks for it finds: by label, by image, and the interceptor's image, which nobody needs", {
  timeout: 120_000,
}, async () => {
  await using engine = await devEngine();
  const socket = engine.open.directories.dockerSocket;
  using keeper = new Keeper(socket);
  const listed = async (filters: object) => {
    const { body } = await docker(socket, "GET", `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`);
    return (body as unknown as unknown[]).length;
  };
  await keeper.start(1, { Labels: { "dev.workerd.session": "0123456789abcdef" } });
  assert.equal(await listed({ label: ["dev.workerd.session=0123456789abcdef"] }), 1);
  assert.equal(await listed({ label: ["dev.workerd.session=another"] }), 0);
  assert.equal(await listed({ ancestor: [IMAGE] }), 1);
  assert.equal(await listed({ ancestor: ["cloudflare-dev/box:gone"] }), 0);

  const missing = await keeper.ask("POST", `/containers/create?name=${name(2)}`, { Image: "cloudflare-dev/box:gone" });
  assert.equal(missing.status, 404);
  assert.match(missing.text, /No such image: cloudflare-dev\/box:gone/);
  const pulled = await docker(socket, "POST", "/images/create?fromImage=cloudflare/proxy-everything&tag=3cb1195");
  assert.equal(pulled.status, 200);
});
