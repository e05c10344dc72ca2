// The kernel that the virtual machine runs: the one that a stock Debian or Ubuntu installs, unpacked beside this machine's own, which stays as it is.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const CACHE = "/var/cache/longshore-vm";

/**
 * Returns the newest kernel of this machine's package sources: `image`, `release` and `modules`, its directory of modules.
 * It is downloaded once for each version, about 70 MB.
 */
export function debianKernel(meta) {
  const name = packageOf(meta);
  const directory = join(CACHE, name);
  if (!existsSync(directory)) unpack(name, directory);
  const release = readdirSync(join(directory, "lib/modules"))[0];
  return { release, image: join(directory, "boot", `vmlinuz-${release}`), modules: join(directory, "lib/modules", release) };
}

/** `linux-image-amd64` is an empty package that depends on the newest version's. */
function packageOf(meta) {
  const known = dependencyOf(meta);
  if (known !== undefined) return known;
  run("apt-get", ["update", "-qq"]);
  const name = dependencyOf(meta);
  if (name === undefined) throw new Error(`The package sources of this machine have no ${meta}; name another --kernel.`);
  return name;
}

function dependencyOf(meta) {
  const { stdout } = spawnSync("apt-cache", ["depends", "--important", meta], { encoding: "utf8" });
  return /Depends: (linux-image-\d\S*)/.exec(stdout)?.[1];
}

function unpack(name, directory) {
  console.log(`Downloading ${name} …`);
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, "new-"));
  try {
    run("apt-get", ["download", "-q", name], work);
    const archive = readdirSync(work).find((file) => file.endsWith(".deb"));
    run("dpkg-deb", ["-x", archive, "tree"], work);
    const release = readdirSync(join(work, "tree/lib/modules"))[0];
    // The package does this when it is installed.
    run("depmod", ["-b", join(work, "tree"), "-F", join(work, `tree/boot/System.map-${release}`), release]);
    renameSync(join(work, "tree"), directory);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command, args, cwd = "/") {
  const result = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000 });
  if (result.status === 0) return result;
  throw new Error(`"${command} ${args.join(" ")}" failed: ${result.error?.message ?? result.stderr.trim()}`);
}
