// The first, small root file system of the virtual machine: busybox, the modules that the real one needs, and init.sh.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Modules that init.sh loads before it has /lib/modules; what they depend on comes along. */
const MODULES = ["virtio_pci", "virtio_blk", "virtio_rng", "9pnet_virtio", "9p", "crc32c_generic", "ext4", "overlay"];

/** Writes the archive below `directory`, and returns its path. */
export function makeInitramfs({ modules, release }, directory) {
  const root = join(directory, "initramfs");
  for (const name of ["bin", "proc", "sys", "dev"]) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(
    ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path)),
    join(root, "bin/busybox"),
  );
  copyFileSync(join(dirname(fileURLToPath(import.meta.url)), "init.sh"), join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  copyModules(modules, join(root, "lib/modules", release));
  const archive = join(directory, "initramfs.cpio");
  const script = `find . | busybox cpio -o -H newc > "$0"`;
  const { status, stderr } = spawnSync("sh", ["-c", script, archive], { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`The initramfs could not be written: ${stderr}`);
  return archive;
}

function copyModules(from, to) {
  const dependencies = new Map(
    readFileSync(join(from, "modules.dep"), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(": ?"))
      .map(([line]) => line.split(":"))
      .map(([path, needs = ""]) => [path, needs.trim().split(" ").filter(Boolean)]),
  );
  const byName = new Map([...dependencies.keys()].map((path) => [moduleName(path), path]));
  const wanted = new Set();
  for (const name of MODULES) {
    const path = byName.get(name);
    // What is not a module is in the kernel itself.
    if (path !== undefined) for (const each of [path, ...dependencies.get(path)]) wanted.add(each);
  }
  for (const path of wanted) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
  writeFileSync(join(to, "modules.dep"), [...wanted].map((path) => `${path}: ${dependencies.get(path).join(" ")}\n`).join(""));
}

function moduleName(path) {
  return path
    .replace(/^.*\//, "")
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
}
