// `npm run setup`: everything a fresh Debian or Ubuntu machine needs, said before it is installed. Safe to run again.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."));

/** Program → the Debian package that brings it. */
const PROGRAMS = {
  crun: "crun",
  conmon: "conmon",
  buildah: "buildah",
  ip: "iproute2",
  nft: "nftables",
  zstd: "zstd",
  "mkfs.ext4": "e2fsprogs",
  tar: "tar",
  unshare: "util-linux",
  setpriv: "util-linux",
  skopeo: "skopeo",
  openssl: "openssl",
  ldd: "libc-bin",
};

/**
 * What only tests need: a second OCI runtime, a FUSE file system, another client of the registry, a program that makes any system call, one that holds
 * others up at theirs, another client of HTTP/2, and a certificate authority.
 */
const TEST_PROGRAMS = {
  runc: "runc",
  bindfs: "bindfs",
  fusermount3: "fuse3",
  s3fs: "s3fs",
  rclone: "rclone",
  perl: "perl-base",
  strace: "strace",
  podman: "podman",
  ssh: "openssh-client",
  rootlesskit: "rootlesskit",
  newuidmap: "uidmap",
  h2load: "nghttp2-client",
  pebble: "pebble",
};

/** What the newest wrangler's own Node.js is linked with. */
const TEST_LIBRARIES = { "libatomic.so.1": "libatomic1" };

/** What only `npm run test:vm` needs. */
const VM_PROGRAMS = { "qemu-system-x86_64": "qemu-system-x86", depmod: "kmod", "mkfs.ext4": "e2fsprogs" };

if (Number(process.versions.node.split(".")[0]) < 20) fail(`Node.js ${process.version} is too old. Longshore needs 20.19 or newer.`);
if (process.getuid?.() !== 0) fail("Longshore makes namespaces, mounts and cgroups. Run this as root.");

npmPackages(".", "the npm packages named in package-lock.json");
debianPackages();
// Only the tests drive it; the demo does without. After Debian's packages: npm runs that Node.js.
if (process.argv.includes("--tests")) npmPackages("tests/wrangler-latest", "the newest wrangler, with a Node.js that it accepts");
if (process.argv.includes("--tests") && !onPath("docker")) dockerCommand();

/** Docker's command alone, out of its package and beside our own modules: installing the package would start a daemon. */
function dockerCommand() {
  const directory = "node_modules/.cache/docker";
  if (existsSync(`${directory}/usr/bin/docker`)) return;
  console.log("Fetching the docker command from the Debian package docker.io …");
  mkdirSync(directory, { recursive: true });
  const download = mkdtempSync(join(tmpdir(), "longshore-setup-"));
  try {
    // Newer releases have the command in a package of its own.
    const name = spawnSync("apt-cache", ["show", "docker-cli"]).status === 0 ? "docker-cli" : "docker.io";
    run("apt-get", ["update", "-qq"]);
    // As root: apt's own user may not be let in here.
    run("apt-get", ["download", "-qq", "-o", "APT::Sandbox::User=root", name], { cwd: download });
    const [file] = readdirSync(download);
    // The daemon in the same package is three times its size.
    run("sh", ["-c", 'dpkg --fsys-tarfile "$1" | tar -x -C "$2" ./usr/bin/docker', "sh", join(download, file ?? ""), directory]);
  } finally {
    rmSync(download, { recursive: true, force: true });
  }
}

/** Installs what a lock file names, unless that is there already. */
function npmPackages(directory, what) {
  const installed = `${directory}/node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${directory}/package-lock.json`).mtimeMs) return;
  console.log(`Installing ${what} …`);
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, which some mirrors do not carry.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", directory]);
}

function debianPackages() {
  const missing = Object.entries({
    ...PROGRAMS,
    ...(process.argv.includes("--tests") ? TEST_PROGRAMS : {}),
    ...(process.argv.includes("--vm") ? VM_PROGRAMS : {}),
  })
    .filter(([program]) => !onPath(program))
    .map(([, name]) => name);
  if (process.argv.includes("--tests")) missing.push(...missingLibraries(TEST_LIBRARIES));
  // The shim inside each container must not need the image's libraries, so it has to be the static one.
  if (!isStaticBusybox()) missing.push("busybox-static");
  if (missing.length === 0) return;
  console.log(`Installing the Debian packages ${missing.join(" ")} …`);
  run("apt-get", ["update", "-qq"]);
  // Its hundred lines for each package are shown only if it fails.
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    quiet: true,
  });
}

/** The packages of those libraries that the dynamic loader does not find. */
function missingLibraries(libraries) {
  const { stdout } = spawnSync("ldconfig", ["-p"], { encoding: "utf8", env: { PATH: "/usr/sbin:/sbin" } });
  return Object.entries(libraries).flatMap(([library, name]) => (String(stdout).includes(library) ? [] : [name]));
}

/** A static program has no dynamic loader to name. */
function isStaticBusybox() {
  const path = ["/bin/busybox", "/usr/bin/busybox"].find((candidate) => existsSync(candidate));
  return path !== undefined && !readFileSync(path).includes("/lib64/ld-linux");
}

function onPath(program) {
  return (process.env.PATH ?? "")
    .split(":")
    .concat("/usr/sbin", "/sbin")
    .some((directory) => {
      try {
        accessSync(join(directory, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function run(command, args, { env = process.env, cwd = process.cwd(), quiet = false } = {}) {
  const shown = quiet ? "pipe" : "inherit";
  const { status, stdout, stderr, error } = spawnSync(command, args, { stdio: ["ignore", shown, shown], env, cwd, maxBuffer: 2 ** 26 });
  if (status === 0) return;
  if (quiet) process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  fail(`"${command} ${args.join(" ")}" failed${error === undefined ? ". Its output is above." : `: ${error.message}.`}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
