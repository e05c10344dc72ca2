import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSize } from "@longshore/contract";
import { Disks } from "../disk/disks.js";
import { rootIdOf } from "../sys/user-namespace.js";
import { fixture } from "../testing/fixture.js";
import { runScript } from "../testing/run-script.js";
import { IDS_PER_RANGE, IdRanges } from "./id-ranges.js";
import { createSandbox, removeSandbox } from "./sandbox.js";

const lite = instanceSize("lite");

test("root in a container is nobody outside, and no two containers share an id", async () => {
  await using f = await fixture();
  const made = await Promise.all([1, 2].map(async () => await createSandbox(f.host, randomUUID(), f.image, lite)));
  const roots = made.map(({ process }) => rootIdOf(process.pid));
  for (const root of roots) assert.ok(root >= 0x7000_0000 && root % IDS_PER_RANGE === 0, String(root));
  assert.notEqual(roots[0], roots[1]);
  for (const [index, { process }] of made.entries()) {
    assert.match(readFileSync(`/proc/${process.pid}/status`, "utf8"), new RegExp(`^Uid:\\t${roots[index]}\\t`, "m"));
  }
  await Promise.all(made.map(async ({ id, process }) => await removeSandbox(f.host, id, process)));
});

for (const [name, limited] of [
  ["a limited disk", true],
  ["a plain directory", false],
] as const) {
  test(`files belong to who they belong to in the image, and so do new ones, on ${name}`, async () => {
    await using f = await fixture();
    const host = limited ? f.host : { ...f.host, disks: Disks.unlimited("the test says so") };
    const layer = join(host.layersDirectory, "busybox");
    mkdirSync(join(layer, "data"), { mode: 0o700 });
    writeFileSync(join(layer, "data/file"), "x", { mode: 0o600 });
    chownSync(join(layer, "data/file"), 1000, 1000);
    const script = `
      ls -ln /data/file | cat; ls -lnd /data /etc | cat
      touch /new; busybox chown 33:44 /data/file; echo more >>/data/file; ls -ln /new /data/file | cat
      echo "1.2.3.4 added" >>/etc/hosts && tail -n 1 /etc/hosts
      busybox chown 70000 /new 2>&1; busybox mknod /null c 1 3 2>&1; cat /proc/self/uid_map; ls -ln /proc/1/status /dev/null | cat`;
    const { lines } = await runScript({ host, image: f.image }, script);
    const owners = lines
      .map((line) => /^[-dcrwx]{10} +\d+ +(\d+) +(\d+)/.exec(line)?.slice(1).join(":"))
      .filter((each) => each !== undefined);
    assert.deepEqual(owners, ["1000:1000", "0:0", "0:0", "33:44", "0:0", "65534:65534", "0:0"], lines.join("\n"));
    assert.ok(lines.includes("1.2.3.4 added"));
    assert.ok(
      lines.some((line) => /chown: .*Invalid argument|Value too large/.test(line)),
      lines.join("\n"),
    );
    assert.ok(lines.some((line) => /null.*Operation not permitted/.test(line)));
    assert.deepEqual(statSync(join(layer, "data/file")).uid, 1000, "the layer is as it was");
  });
}

test("an image's user without an id is refused with the reason", async () => {
  await using f = await fixture();
  await assert.rejects(createSandbox(f.host, randomUUID(), f.imageWith({ user: "70000:70000" }), lite), { code: "UNSUPPORTED" });
  const { ids: _, ...host } = f.host;
  const id = randomUUID();
  const sandbox = await createSandbox(host, id, f.imageWith({ user: "70000:70000" }), lite);
  assert.equal(rootIdOf(sandbox.process.pid), 0);
  await removeSandbox(host, id, sandbox.process);
});

test("a range is given out once, until it is released", async () => {
  const ranges = new IdRanges(4_092);
  const [first, second] = [await ranges.take("a"), await ranges.take("b")];
  assert.notEqual(first.base, second.base);
  ranges.release("a");
  assert.equal((await ranges.take("c")).base, first.base);
});
