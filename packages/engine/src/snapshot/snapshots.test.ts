import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotStage } from "../testing/snapshot-stage.js";

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
