import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { main } from "./main.js";
import { nearest } from "./nearest.js";
import { takeData } from "./wrangler/call.js";

const PROGRAM = fileURLToPath(new URL("../bin/longshore.js", import.meta.url));
const WRANGLER_VERBS = (
  "docs complete setup deploy delete deployments rollback secret secrets-store types versions init d1 r2 kv queues tail triggers dev pages login logout " +
  "whoami auth ai vectorize hyperdrive cert mtls-certificate containers dispatch-namespace workflows pipelines pubsub check build vpc email"
).split(" ");

/** Runs a command line in this process; returns what it printed where. */
async function longshore(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(argv, { print: (text) => void out.push(text), note: (text) => void err.push(text) });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

test("help lists the commands, and each command has help with an example", async () => {
  const { code, out } = await longshore("help");
  assert.equal(code, 0);
  const commands = [...out.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1] ?? "");
  assert.ok(commands.includes("up") && commands.includes("doctor") && commands.includes("status") && commands.includes("down"));
  for (const command of commands) {
    const help = await longshore(command, "--help");
    assert.equal(help.code, 0);
    assert.match(help.out, /^Usage: longshore /);
    assert.match(help.out, /Examples?:\n {2}/);
  }
});

test("what is not understood is said in a line, without a stack trace", async () => {
  const unknown = await longshore("status", "--colour");
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /--colour/);
  assert.match(unknown.err, /longshore status --help/);
  const setting = await longshore("up", "--edge-port", "http");
  assert.equal(setting.code, 2);
  assert.match(setting.err, /edgePort/);
  for (const [flag, value, name] of [
    ["--allow-outbound", "10.0.0.0/8,10.0.0.0/33", /allowOutbound\[1\]/],
    ["--resolvers", "9.9.9.9,dns.example", /resolvers\[1\]/],
    ["--resolvers", "[::1]:99999", /resolvers\[0\]/],
  ] as const) {
    const refused = await longshore("up", flag, value);
    assert.equal(refused.code, 2);
    assert.match(refused.err, name);
  }
  const image = await longshore("image", "seed", "windows");
  assert.match(image.err, /longshore image seed <busybox\|node/);
  const elsewhere = await longshore("up", "--listen", "192.0.2.1", "--data", "/nonexistent/longshore");
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.err, /cannot listen on the address 192\.0\.2\.1.*127\.0\.0\.1/);
  const missing = await longshore("logs", "hello", "--since", "--json");
  assert.match(missing.err, /--since needs a value/);
  const stray = await longshore("up", "hello");
  assert.match(stray.err, /does not take the word "hello"/);
  for (const { code, err } of [unknown, setting, image, elsewhere, missing, stray]) {
    assert.equal(code, 2);
    assert.doesNotMatch(err, /^\s+at /m);
  }
});

test("a verb or option with a letter wrong is asked back; what is wrangler's goes to wrangler", async () => {
  for (const [typed, meant] of [
    ["stauts", "status"],
    ["log", "logs"],
    ["backpu", "backup"],
    ["roolout", "rollout"],
  ] as const) {
    const { code, err } = await longshore(typed, "--json");
    assert.equal(code, 2);
    assert.match(err, new RegExp(`no command "${typed}". Did you mean "longshore ${meant} --json"`));
  }
  assert.match((await longshore("up", "--edge-prot", "80")).err, /no option --edge-prot\. Did you mean --edge-port\?/);
  const verbs = await longshore("help");
  const own = [...verbs.out.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1] ?? "");
  for (const verb of WRANGLER_VERBS) assert.ok(own.includes(verb) || nearest(verb, own) === undefined, verb);
});

test("the version is that of the package", async () => {
  const { code, out } = await longshore("--version");
  assert.equal(code, 0);
  assert.match(out, /^longshore \d+\.\d+\.\d+$/);
});

test("settings that may have a fraction may have it on the command line", async () => {
  const { err } = await longshore("up", "--account-vcpu", "2.5", "--drain", "0.5", "--tls-port", "1.5");
  assert.match(err, /tlsPort/);
  assert.doesNotMatch(err, /accountVcpu|drain/);
});

test("the data directory is taken out of what is wrangler's, in both forms", () => {
  const rest = ["deploy", "--env", "staging"];
  for (const form of [["--data", "/srv/data"], ["--data=/srv/data"]]) {
    assert.deepEqual(takeData(["deploy", ...form, "--env", "staging"]), { data: "/srv/data", rest });
    assert.deepEqual(takeData([...rest, ...form]), { data: "/srv/data", rest });
  }
  assert.deepEqual(takeData(rest), { data: undefined, rest });
  for (const form of ["--data", "--data="]) assert.throws(() => takeData([...rest, form]), /--data needs a value/);
});

test("whoever stops reading the output sees no stack trace", () => {
  const command = `{ sleep 0.2; "${process.execPath}" "${PROGRAM}" help; echo "code $?" >&2; } | true`;
  const { stderr } = spawnSync("/bin/sh", ["-c", command], { encoding: "utf8" });
  assert.equal(stderr, "code 0\n");
});

test("status, down and deploy say how to start what does not run", async () => {
  const data = await mkdtemp(join(tmpdir(), "longshore-cli-"));
  try {
    for (const command of ["status", "down"]) {
      const { code, err } = await longshore(command, "--data", data);
      assert.equal(code, 1);
      assert.match(err, new RegExp(`does not run on the data directory ${data}. Start it with "longshore up --data ${data}"`));
    }
  } finally {
    await rm(data, { recursive: true });
  }
});

test("doctor looks at this machine, and says how to get what is missing", async () => {
  const { code, out } = await longshore("doctor", "--json");
  const checks = JSON.parse(out) as { name: string; ok: boolean; required: boolean; found: string; fix: string }[];
  assert.equal(code, checks.every((check) => check.ok || !check.required) ? 0 : 1);
  assert.ok(checks.some(({ name }) => name === "conmon") && checks.some(({ name }) => name === "cgroups"));
  for (const check of checks) assert.ok(check.ok || check.fix !== "", `${check.name} has no fix`);
});

test("doctor says what a configuration's certificates lack", async () => {
  const directory = await mkdtemp(join(tmpdir(), "longshore-cli-"));
  try {
    const config = join(directory, "config.json");
    await writeFile(join(directory, "a.key"), "no key");
    await writeFile(join(directory, "a.crt"), "no certificate");
    await writeFile(config, JSON.stringify({ tlsCertificates: directory, acme: "letsencrypt" }));
    const { out } = await longshore("doctor", "--config", config);
    assert.match(out, /note {5}certificate .*a\.crt: The certificate .* cannot be used \(.*\)\. Put a certificate and the key/);
    assert.match(
      out,
      /note {5}certificates by ACME: the authority asks on port 80, and the edge is at 127\.0\.0\.1:8080\. Have port 80 lead there/,
    );
    const lone = await longshore("up", "--tls-cert", "a.crt");
    assert.equal(lone.code, 2);
    assert.match(lone.err, /tlsKey: a certificate and its key are named together/);
    for (const [flag, value, name] of [
      ["--rate-limits", "a.example=fast", /rateLimits/],
      ["--acme", "http://ca.example/dir", /acme/],
      ["--max-body", "many", /maxBody/],
    ] as const) {
      assert.match((await longshore("up", flag, value)).err, name);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});
