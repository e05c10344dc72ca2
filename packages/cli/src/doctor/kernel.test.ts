import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { cgroups, kernelHas, rootDirectory } from "./kernel.js";

function directory(files: Record<string, string>): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "longshore-doctor-"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test("a file system that the kernel can load is as good as one that is there", async () => {
  using modules = directory({
    "modules.dep": "kernel/fs/some/somefs.ko: kernel/lib/other.ko\nkernel/fs/packed/packedfs.ko.xz:\nkernel/fs/x/notthisfs.ko:\n",
    "modules.builtin": "kernel/fs/inside/insidefs.ko\n",
  });
  for (const name of ["somefs", "packedfs", "insidefs", "proc"]) assert.equal(await kernelHas(name, modules.path), true, name);
  for (const name of ["thisfs", "nofs"]) assert.equal(await kernelHas(name, modules.path), false, name);
});

test("cgroup version 2 needs its controllers", () => {
  using whole = directory({ "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n" });
  assert.deepEqual([cgroups(whole.path).ok, cgroups(whole.path).found], [true, "version 2"]);
  using part = directory({ "cgroup.controllers": "cpuset cpu io pids\n" });
  assert.deepEqual([cgroups(part.path).ok, cgroups(part.path).found], [false, "version 2 without memory"]);
  using none = directory({});
  assert.equal(cgroups(none.path).ok, false);
});

test("a plain chroot is found out; a root that was changed for good is fine", { timeout: 60_000 }, async () => {
  assert.equal((await rootDirectory()).ok, true);
  const check = `import(${JSON.stringify(new URL("kernel.js", import.meta.url).href)}).then(async (m) => console.log((await m.rootDirectory()).ok))`;
  using place = directory({});
  // A root of its own, below a private mount namespace, with everything of this machine in it.
  const prepare = `
    set -e
    new=$2; mount -t tmpfs tmpfs "$new"; cd "$new"
    for name in /*; do
      if [ -L "$name" ]; then cp -P "$name" .
      elif [ -d "$name" ]; then mkdir ".$name"; mount --rbind "$name" ".$name"
      fi
    done`;
  const inside = async (enter: string) => {
    const script = `${prepare}\n${enter} "$0" --input-type=module -e "$1"`;
    const { stdout } = await promisify(execFile)("unshare", ["--mount", "sh", "-c", script, process.execPath, check, place.path]);
    return stdout.trim();
  };
  assert.equal(await inside('exec chroot "$new"'), "false");
  assert.equal(await inside("mkdir old; pivot_root . old; exec"), "true");
});
