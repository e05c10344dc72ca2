import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type LateCommand, lateScripts } from "./late-command.js";
import { prepareShim, type Shim } from "./shim.js";

let directory: string;
let shim: Shim;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "longshore-shim-"));
  shim = await prepareShim(join(directory, "busybox"));
});
after(() => rmSync(directory, { recursive: true }));

/** Runs the script as the shim does, with the machine's busybox where a container has its own, and variables that must not get through. */
function run(command: LateCommand) {
  const script = lateScripts(command).command.replaceAll("/.longshore/busybox", shim.file);
  writeFileSync(join(directory, "go"), script);
  const { status, stdout, stderr } = spawnSync(shim.file, ["sh", "-c", `(. ${join(directory, "go")})`], { env: { PATH: "/bin" } });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

const ODD = { QUOTES: `it's "quoted" $HOME \`x\` \\n`, LINES: "one\ntwo\n", EMPTY: "", UNICODE: "Grüße 🚢", EQUALS: "a=b=c" };

function environmentOf(output: string): Record<string, string> {
  return Object.fromEntries(
    output
      .split("\0")
      .slice(0, -1)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

test("the command has exactly its environment, whichever way it is run", () => {
  assert.ok(shim.namesPrograms, "the machine's busybox can run programs under other names");
  const cases: Record<string, string>[] = [
    {},
    ODD,
    { PATH: "/nowhere", PWD: "/elsewhere", SHLVL: "7" },
    { ...ODD, "not.a-name": "1" },
    { RANDOM: "4", IFS: "x", OPTIND: "3", _: "u" },
  ];
  for (const environment of cases) {
    const argv = ["cat", "/proc/self/environ"];
    for (const executable of ["/bin/cat", undefined]) {
      const found = run({ argv: executable === undefined ? ["/bin/cat", "/proc/self/environ"] : argv, environment, executable });
      assert.deepEqual([found.status, environmentOf(found.stdout)], [0, environment], `${found.stderr} ${executable}`);
    }
  }
});

test("the command keeps the name and the words that it was given", () => {
  const argv = ["some name", "it's", "", "$x", "two\nlines", "-a"];
  const { stdout } = run({ argv: ["sh", "-c", 'printf "%s|" "$@"', ...argv], environment: {}, executable: "/bin/sh" });
  assert.equal(stdout, "it's||$x|two\nlines|-a|");
  const named = run({ argv: ["other", "/proc/self/cmdline"], environment: {}, executable: "/bin/cat" });
  assert.deepEqual(named.stdout.split("\0"), ["other", "/proc/self/cmdline", ""]);
  // The image's program, not the shell's own of that name.
  writeFileSync(join(directory, "httpd"), "#!/bin/sh\necho the image\n", { mode: 0o755 });
  assert.equal(run({ argv: ["httpd"], environment: {}, executable: join(directory, "httpd") }).stdout, "the image\n");
  assert.equal(run({ argv: [join(directory, "gone")], environment: {}, executable: join(directory, "gone") }).status, 127);
});

test("an init is what the shim itself becomes", () => {
  const scripts = lateScripts({ argv: ["/sbin/tini", "--", "app"], environment: { A: "b" }, executable: "/sbin/tini" });
  assert.equal(scripts.command, "exit 0\n");
  assert.match(scripts.init ?? "", /exec -a '\/sbin\/tini' '\/sbin\/tini' '--' 'app'/);
});
