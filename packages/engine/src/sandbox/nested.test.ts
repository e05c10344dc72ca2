import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { type Fixture, fixture } from "../testing/fixture.js";
import { copyHostProgram } from "../testing/host-program.js";
import { runScript } from "../testing/run-script.js";

/** An image as `docker:dind-rootless` is one: an ordinary user with subordinate ids, rootlesskit, and an OCI runtime. */
async function rootlessFixture(): Promise<Fixture> {
  const f = await fixture();
  const layer = join(f.host.layersDirectory, "busybox");
  for (const program of ["rootlesskit", "newuidmap", "newgidmap", "runc"])
    assert.ok(copyHostProgram(program, layer), `${program} is not here`);
  for (const file of ["subuid", "subgid"]) writeFileSync(join(layer, "etc", file), "app:100000:65536\n");
  const inner = join(layer, "home/app/inner");
  mkdirSync(join(inner, "rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(inner, "rootfs/bin/busybox"));
  symlinkSync("busybox", join(inner, "rootfs/bin/sh"));
  writeFileSync(join(inner, "config.json"), JSON.stringify(innerSpec()));
  chmodSync(join(layer, "tmp"), 0o1777);
  for (const path of ["home/app", "home/app/inner", "home/app/inner/rootfs"]) chownSync(join(layer, path), 1000, 1000);
  return f;
}

/** A container as a rootless Docker makes one, with a /proc of its own. */
function innerSpec() {
  const script = "b=/bin/busybox; $b id -u; $b ps -o args | $b grep -c sh; $b touch /made && echo wrote";
  return {
    ociVersion: "1.0.2",
    root: { path: "rootfs" },
    process: { user: { uid: 0, gid: 0 }, args: ["/bin/sh", "-c", script], env: ["PATH=/bin"], cwd: "/", noNewPrivileges: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    linux: { namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })), maskedPaths: ["/proc/kcore"] },
  };
}

const SCRIPT = `export PATH=/bin:/usr/bin:/usr/sbin HOME=/home/app XDG_RUNTIME_DIR=/tmp; cd /home/app/inner; id -u
  rootlesskit sh -c '/.longshore/busybox id -u; runc --root /tmp/runc run inner' 2>&1`;

test("a container that may starts containers without being root", { timeout: 120_000 }, async () => {
  await using f = await rootlessFixture();
  const { grants } = f.host;
  assert.ok(grants !== undefined);
  const host = { ...f.host, grants: { ...grants, always: grants.nested } };
  const { lines } = await runScript({ host, image: f.imageWith({ user: "app" }) }, SCRIPT, instanceSize("basic"));
  assert.deepEqual(lines.slice(0, 3), ["1000", "0", "0"], lines.join("\n"));
  assert.equal(lines.at(-1), "wrote", lines.join("\n"));
});

test("the host's kernel settings are nobody's in such a container either, and others may not start one", { timeout: 120_000 }, async () => {
  await using f = await rootlessFixture();
  const { grants } = f.host;
  assert.ok(grants !== undefined);
  const host = { ...f.host, grants: { ...grants, always: grants.nested } };
  const attack = `
    for f in /proc/kcore /proc/keys /proc/timer_list; do [ "$(/.longshore/busybox head -c 1 $f 2>/dev/null | /.longshore/busybox wc -c)" != 0 ] && echo "READ $f"; done
    for f in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /sys/kernel/uevent_helper /.longshore/busybox /proc/1/exe; do
      (echo x >$f) 2>/dev/null && echo "WROTE $f"
    done; echo done`;
  const { lines } = await runScript({ host, image: f.image }, attack, instanceSize("basic"));
  assert.deepEqual(
    lines.filter((line) => line !== "READ /proc/keys"),
    ["done"],
  );
  const ordinary = await runScript({ host: f.host, image: f.imageWith({ user: "app" }) }, SCRIPT, instanceSize("basic"));
  assert.equal(ordinary.lines[0], "1000");
  assert.match(ordinary.lines.join("\n"), /not permitted|not implemented/);
});
