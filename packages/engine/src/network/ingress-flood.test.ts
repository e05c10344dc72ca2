import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fetchThrough } from "../testing/docker-client.js";
import { snapshotStage } from "../testing/snapshot-stage.js";
import { Ingress } from "./ingress.js";

const LIMIT = 300;
/** Longer than this takes on the slowest machine. */
const HOLD_MS = 600_000;

async function until(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    assert.ok(Date.now() < deadline, "it did not happen in time");
    await pause(10);
  }
}

test("a flood of connections waits without work, ends at the limit, is served when the port opens, and is given back", async () => {
  await using on = await snapshotStage();
  const script = "while [ ! -e /tmp/go ]; do sleep 0.1; done; exec httpd -f -p 8080 -h /";
  await on.act("one", "start", { entrypoint: ["sh", "-c", script] });
  await until(() => [...on.open.engine.containers.byId.values()].some(({ status }) => status === "starting"));
  const instance = [...on.open.engine.containers.byId.values()].find(({ live }) => live);
  const target = { instance: () => instance, failure: () => undefined, lastLines: async () => [] };
  await using door = await Ingress.listen(0, { ...target, configureEgress: () => undefined, certificate: () => "" }, LIMIT, HOLD_MS);
  const files = () => readdirSync("/proc/self/fd").length;
  const before = files();

  const answers = new Map<string, number>();
  const sockets: Socket[] = [];
  while (sockets.length < LIMIT + 100) {
    const socket = connect(door.port, "127.0.0.1");
    socket.on("error", () => undefined).setEncoding("latin1");
    socket.once("data", (text) => answers.set(String(text).slice(9, 12), (answers.get(String(text).slice(9, 12)) ?? 0) + 1));
    socket.write("CONNECT 127.0.0.1:8080 HTTP/1.1\r\nHost: x\r\n\r\n");
    sockets.push(socket);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => answers.get("503") === 100);
  // The engine does other things too, now and then.
  let load = 1;
  for (let second = 0; second < 10 && load >= 0.25; second++) {
    const [cpu, since] = [process.cpuUsage(), performance.now()];
    await pause(1_000);
    const { user, system } = process.cpuUsage(cpu);
    load = (user + system) / 1e3 / (performance.now() - since);
  }
  assert.ok(load < 0.25, `${LIMIT} waiting connections keep ${load.toFixed(2)} of a core busy`);

  await on.act("one", "exec", { command: ["touch", "/tmp/go"] });
  await until(() => answers.get("200") === LIMIT);
  for (const socket of sockets) socket.destroy();
  // A few that have nothing to do with it: the engine prepares its next start meanwhile.
  await until(() => files() <= before + 20);
  assert.equal((await fetchThrough(door.port, 8080, "/etc/passwd")).status, 200);
});
