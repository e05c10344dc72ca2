import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { attackedHost, type CallName, call, ERRNO } from "../testing/attacker.js";
import type { Fixture } from "../testing/fixture.js";
import { runScript } from "../testing/run-script.js";

const ANNOTATIONS = { none: [], filter: ["run.oci.seccomp_bpf_data"] };

/** Every attack is tried with a user namespace and without one: the rest of the walls must hold by themselves. */
function eachWay(name: string, attack: (target: Pick<Fixture, "host" | "image">) => Promise<void>): void {
  for (const own of [true, false]) {
    test(`${name}; ${own ? "own" : "the host's"} user namespace`, { timeout: 120_000 }, async () => {
      await using f = await attackedHost();
      const { ids, grants: _, ...host } = f.host;
      await attack({ host: own && ids !== undefined ? { ...host, ids } : host, image: f.image });
    });
  }
}

eachWay("system calls that lead out are refused", async (target) => {
  const NEW_USER = 0x1000_0000;
  const attempts: readonly (readonly [CallName, ...(number | string)[]])[] = [
    ["unshare", NEW_USER],
    ["unshare", 0x20000],
    ["mount", "none", "/tmp", "tmpfs", 0, 0],
    ["umount2", "/proc/kcore", 2],
    ["pivot_root", "/tmp", "/tmp"],
    ["setns", 0, 0],
    ["fsopen", "tmpfs", 0],
    ["open_tree", -100, "/", 1],
    ["mount_setattr", -100, "/", 0, 0, 0],
    ["keyctl", 0, -3, 1],
    ["add_key", "user", "a", "b", 1, -3],
    ["bpf", 0, 0, 0],
    ["perf_event_open", 0, 0, -1, -1, 0],
    ["userfaultfd", 0],
    ["io_uring_setup", 8, 0],
    ["open_by_handle_at", -100, 0, 0],
    ["kexec_load", 0, 0, 0, 0],
    ["init_module", 0, 0, "x"],
    ["swapon", "/dev/zero", 0],
    ["reboot", 0, 0, 0, 0],
    ["settimeofday", 0, 0],
    ["syslog", 3, 0, 0],
    ["quotactl", 0, 0, 0, 0],
  ];
  // By the filter that the runtime compiles for the first sandbox, and by the same one, given to the second.
  for (const filter of [ANNOTATIONS.none, ANNOTATIONS.filter]) {
    assert.deepEqual(Object.keys(target.host.filters.annotations(target.host.runtime, target.host.seccomp)), filter);
    const { lines } = await runScript(target, attempts.map(([name, ...args]) => call(name, ...args)).join("\n"));
    assert.equal(lines.length, attempts.length, lines.join("\n"));
    for (const line of lines)
      assert.ok(
        [ERRNO.EPERM, ERRNO.ENOSYS].some((errno) => line.endsWith(` ${errno}`)),
        line,
      );
  }
  const fork = `/usr/bin/perl -e 'my $r = syscall(56, ${NEW_USER} | 17, 0, 0, 0, 0); print "clone ", ($r == -1 ? $!+0 : 0), "\\n" if $r'`;
  assert.deepEqual((await runScript(target, `${call("clone3", 0, 0)}; ${fork}`)).lines, [
    `clone3 ${ERRNO.ENOSYS}`,
    `clone ${ERRNO.ENOSYS}`,
  ]);
});

eachWay("devices, kernel memory and kernel settings are out of reach", async (target) => {
  const corePattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  const script = `
    b=/.longshore/busybox
    for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/sys/vm/drop_caches /proc/irq/0/x /sys/kernel/uevent_helper \\
             /sys/fs/cgroup/x /.longshore/late/go /.longshore/late/new /.longshore/busybox /.longshore/new /proc/1/exe; do
      (echo x >$f) 2>/dev/null && echo "WROTE $f"
    done
    for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /sys/firmware/x /dev/mem /dev/kmsg /dev/port; do
      [ "$($b head -c 1 $f 2>/dev/null | $b wc -c)" != 0 ] && echo "READ $f"
    done
    $b mknod /d b 7 0 2>/dev/null && $b head -c 1 /d >/dev/null 2>&1 && echo "READ a block device"
    $b mknod /m c 1 1 2>/dev/null && $b head -c 1 /m >/dev/null 2>&1 && echo "READ memory"
    $b mknod /f c 10 229 2>/dev/null; [ -c /f ] && (exec 3<>/f) 2>/dev/null && echo "OPENED fuse"
    $b chmod 000 /dev/null /dev/stdin 2>/dev/null
    $b ls /dev | $b tr '\\n' ' '`;
  const { mode, uid } = statSync("/dev/null");
  const { lines } = await runScript(target, script);
  assert.deepEqual(lines.slice(0, -1), []);
  assert.equal(lines.at(-1)?.trim(), "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero");
  assert.equal(statSync("/dev/null").mode, mode);
  assert.equal(statSync("/dev/null").uid, uid);
  assert.equal(readFileSync("/proc/sys/kernel/core_pattern", "utf8"), corePattern);
});

eachWay("nothing of the host is inherited or visible", async (target) => {
  const script = `
    b=/.longshore/busybox
    for p in self 1; do $b ls -l /proc/$p/fd | $b grep -- '->' | $b sed "s/.* \\([0-9]*\\) -> /fd $p \\1 /" | $b grep -v '/proc/'; done
    $b tr '\\0' '\\n' </proc/1/environ | $b sed 's/^/environment /'
    $b ps -o pid,args
    $b cat /proc/self/cgroup | $b sed 's/.*:/cgroup /' | $b sort -u
    $b cat /proc/net/unix | $b grep -v Num; $b ls /proc/sys/fs/binfmt_misc /sys/fs/cgroup 2>/dev/null`;
  const { lines } = await runScript(target, script);
  const descriptors = lines.filter((line) => line.startsWith("fd "));
  assert.ok(descriptors.length > 0);
  const expected = /^fd (self 0 \/dev\/null|self [12] pipe:\[\d+\]|1 [02] \/dev\/null|1 [19] pipe:\[\d+\]|1 1\d \/\.longshore\/late\/go)$/;
  for (const line of descriptors) assert.match(line, expected, lines.join("\n"));
  assert.deepEqual(
    lines.filter((line) => line.startsWith("environment ")),
    ["environment HOME=/root"],
  );
  assert.deepEqual(
    lines.filter((line) => line.startsWith("cgroup ")),
    ["cgroup /"],
  );
  const processes = lines.filter((line) => /^ +\d+ /.test(line));
  assert.ok(processes.length > 0 && processes.length < 8, lines.join("\n"));
  assert.doesNotMatch(lines.join("\n"), /docker|longshore-|engine|workerd|conmon/);
});

eachWay("capabilities are those of a service, for good", async (target) => {
  const { lines } = await runScript(target, "/.longshore/busybox grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status");
  assert.deepEqual(lines, ["CapEff:\t00000000a80425fb", "CapBnd:\t00000000a80425fb", "NoNewPrivs:\t1"]);
});

eachWay("another container's and the host's processes cannot be seen, signalled or read", async (target) => {
  const { pid } = process;
  const script = `
    b=/.longshore/busybox
    $b kill -9 ${pid} 2>&1; [ -e /proc/${pid} ] && echo SEEN
    /usr/bin/perl -e 'print "ptrace ", (syscall(101, 16, ${pid}, 0, 0) == -1 ? $!+0 : 0), "\\n"'`;
  const { lines } = await runScript(target, script);
  assert.match(lines[0] ?? "", /No such process/);
  assert.deepEqual(lines.slice(1), ["ptrace 3"]);
});

test("a container's links lead the engine nowhere, and its large arguments hurt nobody else", async () => {
  await using f = await attackedHost();
  const secret = join(f.directory, "secret");
  writeFileSync(secret, "root:x:0:0:outside:/:/bin/sh\n");
  const { resolveInRoot, readInRoot } = await import("../image/root.js");
  execFileSync("ln", ["-sf", secret, join(f.host.layersDirectory, "busybox/etc/passwd")]);
  assert.equal(readInRoot(join(f.host.layersDirectory, "busybox"), "/etc/passwd"), "");
  assert.equal(resolveInRoot(join(f.host.layersDirectory, "busybox"), "/etc/passwd"), undefined);
  assert.ok(existsSync(secret));
  const many = Array.from({ length: 40 }, (_, index) => `x${index}=${"y".repeat(100_000)}`).join(" ");
  const { code } = await runScript(f, `exec /.longshore/busybox env ${many} true`);
  assert.notEqual(code, 0);
});
