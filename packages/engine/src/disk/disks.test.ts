import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize, LongshoreError } from "@longshore/contract";
import { createSandbox, removeSandbox } from "../sandbox/sandbox.js";
import { fixture } from "../testing/fixture.js";
import { runScript } from "../testing/run-script.js";
import { Disks, requireSpace } from "./disks.js";

const lite = instanceSize("lite");

/** Loop devices whose file is in this directory. */
function loopDevices(directory: string): string[] {
  return readdirSync("/sys/block").filter((name) => {
    if (!name.startsWith("loop")) return false;
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").startsWith(directory);
    } catch {
      return false;
    }
  });
}

/** The kernel takes a device apart soon after its last user is gone. */
async function noLoopDevices(directory: string): Promise<void> {
  for (let tries = 0; loopDevices(directory).length > 0 && tries < 3_000; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(loopDevices(directory), []);
}

test("a full disk is ENOSPC for its container, at the size of its type, and df says so", async () => {
  await using f = await fixture();
  const { code, lines } = await runScript(
    f,
    "df -B 1000000 / | tail -n 1; dd if=/dev/zero of=/fill bs=1M count=100 || echo full; df -B 1000000 / | tail -n 1; cat /bin/busybox >/more; echo $?",
    { ...lite, diskMb: 64 },
  );
  assert.equal(code, 0);
  const [empty, ...rest] = lines;
  assert.match(empty ?? "", /^overlay +6[34] +\d /);
  assert.ok(rest.some((line) => /No space left on device/.test(line)) && rest.includes("full"));
  assert.match(rest.find((line) => line.startsWith("overlay")) ?? "", /^overlay +6[34] +6[1-4] +[01] +(99|100)%/);
  // Standard output and error are two pipes: their lines may change places.
  assert.ok(rest.includes("1"));
});

test("a disk ends with its container: no device, mount or file stays", async () => {
  await using f = await fixture();
  const id = randomUUID();
  const sandbox = await createSandbox(f.host, id, f.image, lite);
  assert.equal(loopDevices(f.directory).length, 1);
  assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), new RegExp(`${f.host.mounts}/`), "the engine itself keeps no mount");
  await removeSandbox(f.host, id, sandbox.process);
  await noLoopDevices(f.directory);
});

test("a mount that only the mount namespace of a killed engine has goes with the sandbox's directory", async () => {
  await using f = await fixture();
  const id = randomUUID();
  const directory = join(f.host.directory, id);
  mkdirSync(join(directory, "disk"), { recursive: true });
  const image = join(directory, "disk.img");
  const make = `truncate -s 64M ${image} && mkfs.ext4 -q -F ${image} && mount -o loop ${image} ${directory}/disk && echo mounted && exec sleep 100`;
  const other = spawn("unshare", ["-m", "sh", "-c", make], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(other.stdout, "data");
    assert.equal(loopDevices(f.directory).length, 1);
    await removeSandbox(f.host, id, undefined);
    await noLoopDevices(f.directory);
  } finally {
    other.kill("SIGKILL");
  }
});

test("when the host's own disk would be full, nothing new is made and the reason is said", async () => {
  await using f = await fixture();
  await assert.rejects(requireSpace(f.directory, 1e18), (error) => error instanceof LongshoreError && error.code === "NO_SPACE");
  await requireSpace(f.directory);
});

test("a size that no file system has is rounded up", async () => {
  await using f = await fixture();
  const { code, lines } = await runScript(f, "df -m / | tail -n 1", { ...lite, diskMb: 0.5 });
  assert.equal(code, 0);
  assert.match(lines.join(), /^overlay +1[56] /);
});

test("where the host cannot limit disks, containers run without a limit", async () => {
  await using f = await fixture();
  const unlimited = { ...f, host: { ...f.host, disks: Disks.unlimited("for a test") } };
  const { code, lines } = await runScript(unlimited, "echo kept >/file; cat /file", { ...lite, diskMb: 64 });
  assert.deepEqual([code, lines], [0, ["kept"]]);
});
