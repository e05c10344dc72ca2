import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { type Fixture, fixture } from "../testing/fixture.js";
import { copyHostProgram } from "../testing/host-program.js";
import { runScript } from "../testing/run-script.js";
import { createSandbox, removeSandbox } from "./sandbox.js";

/** An image with a real FUSE file system: bindfs shows a directory at another place. */
async function fuseFixture(): Promise<Fixture> {
  const f = await fixture();
  const layer = join(f.host.layersDirectory, "busybox");
  for (const program of ["bindfs", "fusermount3"]) assert.ok(copyHostProgram(program, layer), `${program} is not on this machine`);
  symlinkSync("fusermount3", join(layer, "usr/bin/fusermount"));
  symlinkSync("/proc/mounts", join(layer, "etc/mtab"));
  writeFileSync(join(layer, "etc/fuse.conf"), "user_allow_other\n");
  for (const path of ["from", "to"]) {
    mkdirSync(join(layer, path));
    chownSync(join(layer, path), 1000, 1000);
  }
  return f;
}

const MOUNT = "export PATH=/bin:/usr/bin; touch /from/file; bindfs /from /to && ls /to && echo through >/to/new && cat /from/new";

test("an image with fusermount mounts FUSE file systems, as root and as a user", async () => {
  await using f = await fuseFixture();
  assert.deepEqual((await runScript(f, `${MOUNT}; busybox umount /to; ls /to`)).lines, ["file", "through"]);
  const user = { host: f.host, image: f.imageWith({ user: "app" }) };
  const { lines } = await runScript(user, `${MOUNT}; fusermount3 -u /to && echo unmounted; id -u`);
  assert.deepEqual(lines.slice(-4), ["file", "through", "unmounted", "1000"], lines.join("\n"));
});

test("a container that mounts can neither uncover nor change what is the host's, and its root stays", async () => {
  await using f = await fuseFixture();
  const script = `
    b=/.longshore/busybox
    for m in /proc/kcore /proc/keys /proc/timer_list /proc/sys /proc/irq /proc/bus /dev/null; do $b umount $m 2>/dev/null; done
    $b mount -o remount,rw /sys 2>/dev/null; $b mount -o remount,rw,bind /.longshore 2>/dev/null; $b mount -t proc none /to 2>/dev/null
    for f in /proc/kcore /proc/keys /to/kcore /proc/timer_list; do [ "$($b head -c 1 $f 2>/dev/null | $b wc -c)" != 0 ] && echo "READ $f"; done
    for f in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /sys/kernel/uevent_helper /.longshore/late/go /.longshore/late/new /.longshore/busybox /proc/1/exe; do
      (echo x >$f) 2>/dev/null && echo "WROTE $f"
    done
    $b mkdir /c; $b mount -t cgroup -o memory none /c 2>/dev/null || $b mount -t cgroup2 none /c 2>/dev/null
    for f in /c/release_agent /c/notify_on_release /c/cgroup.procs /c/memory.limit_in_bytes /c/memory.max; do (echo 1 >$f) 2>/dev/null && echo "WROTE $f"; done
    $b mount /dev/loop0 /to 2>/dev/null && echo "MOUNTED a block device"
    $b mknod /d b 7 0 2>/dev/null && echo "MADE a block device"
    $b chroot /to /bin/sh -c : 2>/dev/null && echo "CHANGED its root"
    $b unshare -U $b true 2>/dev/null && echo "MADE a user namespace"
    echo done`;
  assert.deepEqual((await runScript(f, script)).lines, ["done"]);
});

test("a file system that never answers does not stop the engine", { timeout: 120_000 }, async () => {
  await using f = await fuseFixture();
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, f.image, instanceSize("lite"));
  // FUSE shows nothing to outsiders. An overlay reads it in the name of who made the overlay.
  const script = `export PATH=/bin:/usr/bin; b=/.longshore/busybox
    bindfs -f /from /to & while ! $b grep -q ' /to fuse' /proc/mounts; do $b usleep 10000; done
    $b mount -t tmpfs none /tmp && $b mkdir /tmp/u /tmp/w && $b mount -t overlay none -o lowerdir=/to,upperdir=/tmp/u,workdir=/tmp/w /etc || exit 1
    $b killall -STOP bindfs; echo ready; exec $b sleep 1000`;
  sandbox.launch({ argv: ["sh", "-c", script], environment: { PATH: "/bin" } });
  const log = join(f.host.logsDirectory, id);
  while (!readFileSync(log, "utf8").includes("ready")) await new Promise((resolve) => setTimeout(resolve, 20));
  const root = `/proc/${sandbox.process.pid}/root`;
  const look = `import { readBeginInRoot, statInRoot } from ${JSON.stringify(new URL("../sys/open-in-root.js", import.meta.url).href)};
    console.log(statInRoot("${root}", "/etc/never-seen"), readBeginInRoot("${root}", "/etc/passwd").length, statInRoot("${root}", "/bin/sh").kind);`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", look], {
    timeout: 60_000,
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
  assert.equal(stdout, "hidden 0 file\n");
  await removeSandbox(f.host, id, sandbox.process);
});

test("an image without it, and a host without user namespaces, give no FUSE", async () => {
  await using plain = await fixture();
  assert.match((await runScript(plain, "ls /dev/fuse 2>&1")).lines.join("\n"), /No such file/);
  await using f = await fuseFixture();
  const { ids: _ids, grants: _grants, ...host } = f.host;
  const { lines } = await runScript({ host, image: f.image }, `${MOUNT} 2>&1`);
  assert.match(lines.join("\n"), /not found|No such file|not permitted/);
});
