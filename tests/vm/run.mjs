// `npm run test:vm`: the engine's tests in a virtual machine that has what most machines have and this one may lack: the kernel of a stock
// Debian, and cgroup version 2 alone. Its files are this machine's own, which nothing in it can change.
//   npm run test:vm                          the tests that have to do with the kernel
//   npm run test:vm -- packages/engine/dist/disk    only test files whose path contains one of the words
//   npm run test:vm -- --under systemd       as a service of systemd; `nested`: in a container's cgroup namespace; else below busybox
//   npm run test:vm -- --command "npm run demo -- --once"
//   npm run test:vm -- --kernel linux-image-amd64 --minutes 20
// The last line is the command's own, `N passed, N failed`; the exit code is 0 only if it ended in time, and well.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const DISK_BYTES = 16 * 1024 ** 3;
/** An emulated processor is ten to twenty times slower: a file of tests may take this long. */
const FILE_SECONDS = 900;
const TESTS = {
  none: ["cgroup", "sandbox", "engine.test", "instance", "exec", "disk", "snapshot", "egress"],
  systemd: ["cgroup", "sandbox", "engine.test"],
  nested: ["cgroup", "sandbox", "engine.test"],
};

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    under: { type: "string", default: "none" },
    kernel: { type: "string", default: "linux-image-amd64" },
    command: { type: "string" },
    "no-build": { type: "boolean", default: false },
    minutes: { type: "string", default: "20" },
  },
});
if (!(options.under in TESTS)) throw new Error(`--under takes ${Object.keys(TESTS).join(", ")}, not "${options.under}".`);

step(process.execPath, ["tools/setup.mjs", "--vm"]);
if (!options["no-build"]) step(process.execPath, ["node_modules/typescript/bin/tsc", "-b"]);
const { debianKernel } = await import("./kernel.mjs");
const { makeInitramfs } = await import("./initramfs.mjs");
const { boot } = await import("./machine.mjs");

// Neither a signal, which may come twice, nor the end of the time leaves the machine running, or its files behind.
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => interrupted.abort());
const work = mkdtempSync("/var/tmp/longshore-vm-");
try {
  const kernel = debianKernel(options.kernel);
  console.log(`Booting Linux ${kernel.release} …`);
  const ended = await boot({
    kernel: kernel.image,
    initramfs: makeInitramfs(kernel, work),
    disk: makeDisk(),
    shared: share(),
    parameters: { modules_directory: kernel.modules, repository: root },
    signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(Number(options.minutes) * 60_000)]),
    output: process.stdout,
  });
  const code = join(work, "share/code");
  if (!ended) console.log(`The virtual machine was ended${interrupted.signal.aborted ? "" : ` after ${options.minutes} minutes`}.`);
  else if (!existsSync(code)) console.log("The virtual machine ended before the command did.");
  else console.log(readFileSync(join(work, "share/last"), "utf8").trim());
  process.exitCode = ended && existsSync(code) ? Number(readFileSync(code, "utf8")) : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

/**
 * What the machine writes, and its temporary files: space is taken as it is used. The repository is on it as it is now, so that it may be worked on
 * meanwhile; npm's packages are not.
 */
function makeDisk() {
  const disk = join(work, "disk");
  const content = join(work, "content");
  mkdirSync(join(content, "repository"), { recursive: true });
  step("sh", ["-c", 'tar -c --exclude=node_modules --exclude=.git . | tar -x -C "$0"', join(content, "repository")]);
  writeFileSync(disk, "");
  truncateSync(disk, DISK_BYTES);
  step("mkfs.ext4", ["-q", "-F", "-d", content, disk]);
  return disk;
}

/** The directory that the machine shares with this one: what it is to do, and what came of it. */
function share() {
  const directory = join(work, "share");
  mkdirSync(directory);
  const tests = words.length > 0 ? words : TESTS[options.under].map((name) => `packages/engine/dist/${name}`);
  const first = options.under === "systemd" ? `${quoted(process.execPath)} tests/vm/systemd.mjs && ` : "";
  const test = [process.execPath, "tools/test.mjs", "--no-setup", "--no-build", `--file-seconds=${FILE_SECONDS}`, ...tests];
  writeFileSync(join(directory, "under"), options.under);
  writeFileSync(join(directory, "command"), `cd ${quoted(root)}\n${options.command ?? first + test.map(quoted).join(" ")}\n`);
  writeFileSync(join(directory, "first"), `exec sh ${quoted(join(root, "tests/vm/guest.sh"))}\n`);
  return directory;
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function step(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0)
    throw new Error(`"${command} ${args.join(" ")}" failed${error === undefined ? "; its reason is above" : `: ${error.message}`}.`);
}
