// What a Worker may expect of ctx.container, checked from inside a Worker. `/` lists the cases, `/<case>` runs one in a Durable Object of its own.
// The cases follow what workerd's own container tests check.

import { DurableObject } from "cloudflare:workers";
import assert from "node:assert/strict";

const SERVE = "exec httpd -f -p 8080 -h /";
const sh = (script) => ["sh", "-c", script];

/** Starts the container and waits until it serves its files; `end` destroys it and waits until that is known. */
async function up(container, { script = "true", ...options } = {}) {
  container.start({ entrypoint: sh(`${script}; ${SERVE}`), ...options });
  const over = container.monitor().then(
    () => 0,
    (error) => error.exitCode,
  );
  await read(container, "/etc/passwd");
  return {
    over,
    async end(reason) {
      await container.destroy(reason);
      return await over;
    },
  };
}

async function read(container, path) {
  const response = await container.getTcpPort(8080).fetch(`http://container${path}`);
  const text = await response.text();
  return response.status === 200 ? text.trimEnd() : response.status;
}

const rejected = (promise, pattern) => assert.rejects(Promise.try(promise), pattern);
const notRunning = /setLabels\(\) cannot be called on a container that is not running/;

async function countBytes(stream) {
  let total = 0;
  for await (const chunk of stream) total += chunk.byteLength;
  return total;
}

const cases = {
  async "running: false before, true at once, false after"({ container }) {
    assert.equal(container.running, false);
    container.start({ entrypoint: sh(SERVE) });
    assert.equal(container.running, true);
    await read(container, "/etc/passwd");
    await container.destroy();
    assert.equal(container.running, false);
  },
  async "monitor: the exit code of a program, and of one that was destroyed"({ container }) {
    container.start({ entrypoint: sh("exit 41") });
    await assert.rejects(container.monitor(), { exitCode: 41 });
    assert.equal(await (await up(container)).end(), 137);
    container.start({ entrypoint: sh("exit 0") });
    await container.monitor();
    assert.equal(container.running, false);
  },
  async "running turns false by itself, whether or not anybody monitors"({ container }) {
    container.start({ entrypoint: sh("exit 0") });
    for (let tries = 0; container.running && tries < 200; tries++) await scheduler.wait(50);
    assert.equal(container.running, false);
  },
  async "a container that was destroyed for a reason can be started again"({ container }) {
    await (await up(container)).end(new Error("the first life is over"));
    await (await up(container)).end();
  },
  async "a port that nothing listens on is an error that says so"({ container }) {
    const { end } = await up(container);
    await rejected(() => container.getTcpPort(8081).fetch("http://container/"), /Container is not listening to port 8081/);
    await end();
  },
  async "a kept connection serves on after answers without a body"({ container }) {
    // One word of the path is the answer: keeps its connections, unlike busybox's server.
    const serve = `while read -r method path rest; do
      while read -r line; [ "$line" != "$(printf "\\r")" ]; do :; done
      body=\${path#/}
      printf "HTTP/1.1 200 OK\\r\\nContent-Length: \${#body}\\r\\n\\r\\n"
      [ $method = HEAD ] || printf "$body"
    done`;
    container.start({ entrypoint: sh('echo "$SERVE" >/serve; exec nc -ll -p 8081 -e sh /serve'), env: { SERVE: serve } });
    const port = container.getTcpPort(8081);
    for (const [path, method] of [["/"], ["/"], ["/full"], ["/"], ["/full", "HEAD"], ["/full"], ["/"], ["/again"]]) {
      const response = await port.fetch(`http://container${path}`, { method: method ?? "GET" });
      assert.equal(await response.text(), method === "HEAD" ? "" : path.slice(1));
    }
    await container.destroy();
  },
  async "environment and arguments arrive"({ container }) {
    const { end } = await up(container, { script: 'echo "$A|$B|$0" >/seen', env: { A: "it's", B: "two  words" } });
    assert.equal(await read(container, "/seen"), "it's|two  words|sh");
    await end();
  },
  async "processes see their own container's only"({ container }) {
    const { end } = await up(container, { script: "ls /proc >/seen" });
    const pids = (await read(container, "/seen")).split("\n").filter((name) => /^\d+$/.test(name));
    assert.ok(pids.includes("1") && pids.length < 10, pids.join());
    await end();
  },

  async "inspect: null without a container, labels and image with one"({ container }) {
    assert.equal(await container.inspect(), null);
    const plain = await up(container);
    assert.deepEqual((await container.inspect()).labels, {});
    await plain.end();
    const labels = { team: "workers", "my.label/key": "value", kv: "a=b=c", emoji: "🧪", ["n".repeat(16)]: "v".repeat(64) };
    const labelled = await up(container, { labels });
    const { labels: shown, image } = await container.inspect();
    assert.deepEqual(shown, labels);
    assert.match(image, /^acc\/web/);
    await labelled.end();
    assert.equal(await container.inspect(), null);
  },
  async "setLabels replaces them all, one call after the other, and only while there is a container"({ container }) {
    await rejected(() => container.setLabels({ a: "1" }), notRunning);
    const { end } = await up(container, { labels: { a: "1", b: "2" } });
    await container.setLabels({ c: "3" });
    assert.deepEqual((await container.inspect()).labels, { c: "3" });
    await Promise.all([container.setLabels({ d: "4" }), container.setLabels({ e: "5" })]);
    assert.deepEqual((await container.inspect()).labels, { e: "5" });
    await container.setLabels({});
    assert.deepEqual((await container.inspect()).labels, {});
    await rejected(() => container.setLabels({ "": "x" }), /cannot be empty/);
    await end();
    await rejected(() => container.setLabels({ a: "1" }), notRunning);
  },
  async "another image of the account, in place of the class's"({ container }) {
    const { end } = await up(container, { image: "acc/web:other", script: "cp /other /seen" });
    assert.equal(await read(container, "/seen"), "from the other image");
    assert.match((await container.inspect()).image, /other$/);
    const containerSnapshot = await container.snapshotContainer({});
    await end();
    assert.throws(() => container.start({ image: "acc/web:other", containerSnapshot }), /mutually exclusive/);
    const restored = await up(container, { containerSnapshot });
    assert.equal(await read(container, "/other"), "from the other image");
    await restored.end();
  },
  async "an image of somebody else's is refused, with the reason"({ container }) {
    container.start({ image: "docker.io/library/busybox:latest" });
    void container.monitor().catch(() => undefined);
    await rejected(() => container.getTcpPort(8080).fetch("http://container/"), /is not in this account's registry/);
  },

  async "exec: a lot on both streams at once, and nothing to read"({ container }) {
    const { end } = await up(container);
    const bytes = 32 * 1024 * 1024;
    const flood = await container.exec(sh(`head -c ${bytes} /dev/zero & head -c ${bytes} /dev/zero >&2 & wait`));
    assert.deepEqual(await Promise.all([countBytes(flood.stdout), countBytes(flood.stderr), flood.exitCode]), [bytes, bytes, 0]);
    assert.equal((await (await container.exec(["cat"])).output()).exitCode, 0);
    await end();
  },
  async "exec: standard input from a stream and from a pipe"({ container }) {
    const { end } = await up(container);
    const stdin = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("from a stream"));
        controller.close();
      },
    });
    assert.equal(await (await container.exec(sh("tee /tmp/one"), { stdin, stdout: "ignore" })).exitCode, 0);
    const piped = await container.exec(sh("cat >/tmp/two"), { stdin: "pipe" });
    const writer = piped.stdin.getWriter();
    await writer.write(new TextEncoder().encode("from a "));
    await writer.write(new TextEncoder().encode("pipe"));
    await writer.close();
    assert.equal(await piped.exitCode, 0);
    assert.deepEqual([await read(container, "/tmp/one"), await read(container, "/tmp/two")], ["from a stream", "from a pipe"]);
    await end();
  },
  async "exec: an output that was begun to be read, and a signal that had fired"({ container }) {
    const { end } = await up(container);
    const begun = await container.exec(["echo", "hello"]);
    await begun.stdout.getReader().read();
    await rejected(() => begun.output(), /after stdout has started being consumed/);
    await rejected(() => container.exec(["echo"], { signal: AbortSignal.abort() }), { name: "AbortError" });
    const terminal = await container.exec(sh("tty; test -t 1 && echo yes"), { pty: true });
    assert.ok(terminal.isPty);
    terminal.resize(100, 40);
    assert.match(new TextDecoder().decode((await terminal.output()).stdout), /\/dev\/pts\/\d+\r\nyes/);
    await end();
  },

  async "snapshots: what cannot be saved or restored is refused where it is asked for"({ container }) {
    const id = "01234567-89ab-cdef-0123-456789abcdef";
    const start = (snapshot, mountPoint) => container.start({ directorySnapshots: [{ snapshot, ...(mountPoint && { mountPoint }) }] });
    assert.throws(() => start({ id, size: 1, dir: "/data" }, "/"), /cannot be root|restor/i);
    assert.throws(() => start({ id, size: 1, dir: "/" }), /root|restor/i);
    assert.throws(() => start({ id, size: 1, dir: "/data" }, "relative"), /absolute/i);
    await rejected(() => container.snapshotDirectory({ dir: "/data" }), /running/);
    start({ id, size: 1, dir: "/data" });
    await assert.rejects(container.monitor());
    container.start({ containerSnapshot: { id, size: 1 } });
    await assert.rejects(container.monitor());
    assert.equal(container.running, false);
    const { end } = await up(container);
    await rejected(() => container.snapshotDirectory({ dir: "/nowhere" }), /not found/);
    await end();
  },
  async "snapshots: a container's leave restored directories out, and can be started under them again"({ container }) {
    const first = await up(container, { script: "mkdir /data; echo one >/data/a; echo root >/r" });
    const directory = await container.snapshotDirectory({ dir: "/data" });
    await first.end();
    const directorySnapshots = [{ snapshot: directory, mountPoint: "/mounted" }];
    const second = await up(container, { script: "echo two >/mounted/b; echo root >/r", directorySnapshots });
    const containerSnapshot = await container.snapshotContainer({ name: "left out" });
    assert.equal(containerSnapshot.name, "left out");
    await second.end();
    const bare = await up(container, { containerSnapshot });
    assert.deepEqual([await read(container, "/r"), await read(container, "/mounted/a")], ["root", 404]);
    await bare.end();
    const layered = await up(container, { containerSnapshot, directorySnapshots });
    const seen = [await read(container, "/r"), await read(container, "/mounted/a"), await read(container, "/mounted/b")];
    assert.deepEqual(seen, ["root", "one", 404]);
    await layered.end();
  },
  async "snapshots go from one object to another"({ container, env }) {
    const { end } = await up(container, { script: "mkdir /data; echo one >/data/a" });
    const snapshot = await container.snapshotDirectory({ dir: "/data", name: "handed over" });
    assert.deepEqual([snapshot.dir, snapshot.name], ["/data", "handed over"]);
    await end();
    assert.equal(await env.BOX.getByName(crypto.randomUUID()).readFrom(snapshot, "/elsewhere/a"), "one");
  },

  async "the container ends with its object, unless it is told to stay for a while"({ env }) {
    for (const [stayMs, running] of [
      [0, false],
      [60_000, true],
    ]) {
      const name = crypto.randomUUID();
      await env.BOX.getByName(name)
        .startAndAbort(stayMs)
        .catch(() => undefined);
      let seen = !running;
      for (let tries = 0; seen !== running && tries < 20; tries++) {
        // An object that is back at once finds its container, and keeps it.
        await scheduler.wait(500);
        seen = await env.BOX.getByName(name).isRunning();
        if (seen !== running)
          await env.BOX.getByName(name)
            .abort()
            .catch(() => undefined);
      }
      assert.equal(seen, running, `told to stay ${stayMs} ms`);
      await env.BOX.getByName(name).end();
    }
  },
  async "a stay of no time is refused"({ container }) {
    const { end } = await up(container);
    await rejected(() => container.setInactivityTimeout(0), { name: "TypeError" });
    await end();
  },
  async "an alarm finds its container after the object was reset"({ env }) {
    const name = crypto.randomUUID();
    await env.BOX.getByName(name)
      .alarmAndAbort()
      .catch(() => undefined);
    let seen;
    for (let tries = 0; seen === undefined && tries < 200; tries++) {
      await scheduler.wait(50);
      seen = await env.BOX.getByName(name).seenByAlarm();
    }
    assert.deepEqual(seen, { hasContainer: true });
    await env.BOX.getByName(name).end();
  },
};

export class Box extends DurableObject {
  async run(name) {
    try {
      await cases[name]({ container: this.ctx.container, env: this.env });
      return "passed";
    } catch (error) {
      return String(error.stack ?? error);
    }
  }

  async readFrom(snapshot, path) {
    const { container } = this.ctx;
    const { end } = await up(container, { directorySnapshots: [{ snapshot, mountPoint: path.slice(0, path.lastIndexOf("/")) }] });
    const text = await read(container, path);
    await end();
    return text;
  }

  async startAndAbort(stayMs) {
    const { container } = this.ctx;
    await up(container);
    if (stayMs > 0) await container.setInactivityTimeout(stayMs);
    this.ctx.abort();
  }

  abort() {
    this.ctx.abort();
  }

  async alarmAndAbort() {
    await up(this.ctx.container);
    await this.ctx.storage.setAlarm(Date.now() + 500);
    await this.ctx.storage.sync();
    this.ctx.abort();
  }

  async alarm() {
    await this.ctx.storage.put("alarm", { hasContainer: this.ctx.container !== undefined });
  }

  seenByAlarm() {
    return this.ctx.storage.get("alarm");
  }

  isRunning() {
    return this.ctx.container.running;
  }

  async end() {
    if (this.ctx.container.running) await this.ctx.container.destroy();
  }
}

export default {
  async fetch(request, env) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (name === "") return Response.json(Object.keys(cases));
    return new Response(await env.BOX.getByName(crypto.randomUUID()).run(name));
  },
};
