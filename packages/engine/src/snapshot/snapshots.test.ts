import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { fillBusybox, MemoryImageSource } from "../testing/image-source.js";
import { snapshotStage } from "../testing/snapshot-stage.js";
import { whilePaused } from "./paused.js";

interface Saved {
  readonly id: string;
  readonly size: number;
  readonly dir: string;
  readonly name?: string;
}

const SERVE = "exec httpd -f -p 8080 -h /";
const sh = (script: string) => ["sh", "-c", `${script}; ${SERVE}`];

test("a directory is saved, and restored elsewhere into several containers that do not see each other's writes", async () => {
  await using stage = await snapshotStage();
  const script = "mkdir -p /data/sub; echo one >/data/a; echo two >/data/sub/b; ln -s a /data/link; chmod 750 /data/sub; touch /data/file";
  await stage.act("first", "start", { entrypoint: sh(script) });
  assert.equal(await stage.act("first", "get", "/data/a"), "one\n");
  const saved = (await stage.act("first", "saveDirectory", { dir: "/data", name: "mine" })) as Saved;
  assert.deepEqual([saved.dir, saved.name], ["/data", "mine"]);
  assert.ok(saved.size > 1_000);

  const directorySnapshots = [{ snapshot: saved, mountPoint: "/var/restored" }];
  const show = "cat /var/restored/link /var/restored/sub/b >/seen; stat -c %a /var/restored/sub >>/seen";
  await stage.act("second", "start", { entrypoint: sh(`echo second >/var/restored/a; ${show}`), directorySnapshots });
  assert.equal(await stage.act("second", "get", "/seen"), "second\ntwo\n750\n");
  await stage.act("third", "start", { entrypoint: sh(show), directorySnapshots });
  assert.equal(await stage.act("third", "get", "/seen"), "one\ntwo\n750\n");
  // Without a mount point it goes where it came from.
  await stage.act("fourth", "start", { directorySnapshots: [{ snapshot: saved }] });
  assert.equal(await stage.act("fourth", "get", "/data/sub/b"), "two\n");

  await assert.rejects(stage.act("first", "saveDirectory", { dir: "/nowhere" }), /directory not found/);
});

test("a directory that lies in another is on top, in whatever order they are named; two at one place are refused", {
  timeout: 120_000,
}, async () => {
  await using stage = await snapshotStage();
  const script = "mkdir -p /outer/inner /other; echo outer >/outer/a; echo hidden >/outer/inner/b; echo inner >/other/c";
  await stage.act("first", "start", { entrypoint: sh(script) });
  assert.equal(await stage.act("first", "get", "/other/c"), "inner\n");
  const outer = { snapshot: await stage.act("first", "saveDirectory", { dir: "/outer" }), mountPoint: "/to" };
  const inner = { snapshot: await stage.act("first", "saveDirectory", { dir: "/other" }), mountPoint: "/to/inner" };
  for (const [id, directorySnapshots] of Object.entries({ second: [outer, inner], third: [inner, outer] })) {
    await stage.act(id, "start", { entrypoint: sh("cat /to/a /to/inner/c >/seen; ls /to/inner >>/seen"), directorySnapshots });
    assert.equal(await stage.act(id, "get", "/seen"), "outer\ninner\nc\n");
  }
  const same = { ...inner, mountPoint: "/to/" };
  await assert.rejects(stage.act("fourth", "run", { directorySnapshots: [outer, same] }), /failed to start/);
});

test("a container is saved as it is, and started from in several others; snapshots of those continue it", async () => {
  await using stage = await snapshotStage();
  await stage.act("first", "start", { entrypoint: sh("echo one >/a; rm /etc/group; mkdir /new; dd if=/dev/zero of=/big bs=1M count=20") });
  assert.equal(await stage.act("first", "get", "/a"), "one\n");
  const saved = (await stage.act("first", "saveContainer", { name: "mine" })) as Saved;
  assert.equal(saved.name, "mine");
  assert.ok(saved.size > 20e6 && saved.size < 25e6, `size ${saved.size}`);
  assert.equal(await stage.act("first", "get", "/a"), "one\n", "it goes on");

  await stage.act("second", "start", { entrypoint: sh("test -e /etc/group || echo gone >/b; echo changed >/a"), containerSnapshot: saved });
  assert.equal(await stage.act("second", "get", "/b"), "gone\n");
  assert.equal(await stage.act("second", "get", "/a"), "changed\n");
  const further = (await stage.act("second", "saveContainer", {})) as Saved;
  assert.ok(further.size < 1e6, `size ${further.size}`);
  await stage.act("third", "start", { entrypoint: sh("ls /new && echo there >/c"), containerSnapshot: further });
  assert.equal(await stage.act("third", "get", "/c"), "there\n");
  assert.equal(await stage.act("third", "get", "/a"), "changed\n");
  await stage.act("fourth", "start", { containerSnapshot: saved });
  assert.equal(await stage.act("fourth", "get", "/a"), "one\n");
});

test("a container snapshot is restored on the image that it was taken from, also when another is deployed by then", async () => {
  const images = new MemoryImageSource();
  const config = { Env: ["PATH=/bin"], Cmd: ["httpd", "-f", "-p", "8080", "-h", "/"] };
  images.add("acc/web:1", { config });
  await using stage = await snapshotStage({ images });
  await stage.act("first", "start", { entrypoint: sh("echo one >/a") });
  assert.equal(await stage.act("first", "get", "/a"), "one\n");
  const containerSnapshot = await stage.act("first", "saveContainer", {});
  const digest = images.add("acc/web:2", {
    config,
    fill: (directory) => {
      fillBusybox(directory);
      writeFileSync(join(directory, "new"), "two\n");
    },
  });
  const { engine } = stage.open;
  const classes = engine.tenants.get("web")?.config.classes.map((each) => ({ ...each, image: `acc/web@${digest}` })) ?? [];
  await engine.putTenant({ id: "web", classes });
  await stage.act("second", "start");
  assert.equal(await stage.act("second", "get", "/new"), "two\n");
  await stage.act("third", "start", { containerSnapshot, entrypoint: sh("test -e /new || echo old >/b") });
  assert.equal(await stage.act("third", "get", "/a"), "one\n");
  assert.equal(await stage.act("third", "get", "/b"), "old\n");
});

test("snapshots outlive the engine, and one that a container shows outlives its time", async () => {
  await using stage = await snapshotStage();
  await stage.act("first", "start", { entrypoint: sh("mkdir /data; echo one >/data/a") });
  assert.equal(await stage.act("first", "get", "/data/a"), "one\n");
  const directory = (await stage.act("first", "saveDirectory", { dir: "/data" })) as Saved;
  const container = (await stage.act("first", "saveContainer", {})) as Saved;
  await stage.restartEngine();

  await stage.act("second", "start", { containerSnapshot: container, directorySnapshots: [{ snapshot: directory, mountPoint: "/more" }] });
  assert.equal(await stage.act("second", "get", "/more/a"), "one\n");
  const { snapshots } = stage.open.engine.parts;
  const records = () => [...stage.open.engine.containers.byId.values()].map(({ record }) => record);
  assert.deepEqual(await snapshots.expire(0, records()), []);
  await stage.act("second", "destroy");
  assert.equal((await snapshots.expire(0, records())).length, 2);
  await assert.rejects(stage.act("second", "run", { directorySnapshots: [{ snapshot: directory }] }), /failed to start/);
});

test("an engine that is killed while it takes a snapshot leaves nothing half, and the container goes on", async () => {
  await using stage = await snapshotStage();
  await stage.act("first", "start", { entrypoint: sh("echo one >/a") });
  assert.equal(await stage.act("first", "get", "/a"), "one\n");
  const { host } = stage.open.engine.parts;
  const [instance] = await stage.open.engine.instances();
  const id = instance?.id ?? "";
  // What is on disk and in the kernel between pausing and the end of the copy.
  let restarted: Promise<void> | undefined;
  mkdirSync(join(stage.directory, "data/snapshots/web/.partial-half"), { recursive: true });
  const abandoned = whilePaused(host, id, async () => {
    restarted = stage.restartEngine();
    await restarted;
    assert.equal(await stage.act("first", "get", "/a"), "one\n");
  });
  await abandoned;
  assert.deepEqual(readdirSync(join(stage.directory, "data/snapshots/web")), []);
});

test("without limited disks snapshots work too", async () => {
  await using stage = await snapshotStage({ limitDisks: false });
  await stage.act("first", "start", { entrypoint: sh("echo one >/a; rm -r /etc/group") });
  assert.equal(await stage.act("first", "get", "/a"), "one\n");
  const saved = (await stage.act("first", "saveContainer", {})) as Saved;
  await stage.act("second", "start", { entrypoint: sh("test -e /etc/group || echo gone >>/a"), containerSnapshot: saved });
  assert.equal(await stage.act("second", "get", "/a"), "one\ngone\n");
});

test("a container cannot save what is not its own, nor write over the runtime's own paths", async () => {
  await using stage = await snapshotStage();
  writeFileSync(join(stage.directory, "secret"), "the host's");
  await stage.act("first", "start", { entrypoint: sh(`ln -s ${stage.directory} /link; mkdir /data; ln -s / /data/up; touch /ready`) });
  await stage.act("first", "get", "/ready");
  await assert.rejects(stage.act("first", "saveDirectory", { dir: "/link" }), /directory not found/);
  await assert.rejects(stage.act("first", "saveDirectory", { dir: "/proc/1/root" }), /directory not found/);
  const saved = (await stage.act("first", "saveDirectory", { dir: "/data" })) as Saved;
  assert.ok(saved.size < 20_000, "links are saved as links");
  const failures = () => [...(stage.open.engine.tenants.get("web")?.failures.values() ?? [])].map(({ message }) => message);
  for (const mountPoint of ["/proc", "/dev/shm", "/.longshore"]) {
    await assert.rejects(stage.act("second", "run", { directorySnapshots: [{ snapshot: saved, mountPoint }] }), /failed to start/);
    assert.deepEqual(failures(), [`A directory cannot be restored to "${mountPoint}".`]);
  }
});

test("a restored directory and a container's disk share one limit", async () => {
  await using stage = await snapshotStage({}, { ...instanceSize("lite"), diskMb: 64 });
  await stage.act("first", "start", { entrypoint: sh("mkdir /data; dd if=/dev/zero of=/data/a bs=1M count=30") });
  await stage.act("first", "get", "/data/none");
  const saved = (await stage.act("first", "saveDirectory", { dir: "/data" })) as Saved;
  // What is said is kept until there is space for it again.
  const fill = 'dd if=/dev/zero of=/one bs=1M count=40; said=$(dd if=/dev/zero of=/r/b bs=1M count=40 2>&1); rm /one; echo "$said" >/said';
  await stage.act("second", "start", { entrypoint: sh(fill), directorySnapshots: [{ snapshot: saved, mountPoint: "/r" }] });
  assert.match(String(await stage.act("second", "get", "/said")), /No space left/);
});
