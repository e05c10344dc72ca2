import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LongshoreError } from "@longshore/contract";
import { listenOn } from "../listen-on.js";
import { readSettings, runDirectory } from "../settings.js";
import { certificateFile, installationIdentity } from "./identity.js";
import { lockDataDirectory } from "./lock.js";
import { readPresence, writePresence } from "./presence.js";
import { RegistryPasswords } from "./registry-passwords.js";

async function inDirectory(use: (directory: string) => Promise<void>) {
  const directory = await mkdtemp(join(tmpdir(), "longshore-server-"));
  await use(directory).finally(() => rm(directory, { recursive: true }));
}

test("an identity is made once, is private, and its certificate serves TLS for localhost", async () => {
  await inDirectory(async (data) => {
    const first = await installationIdentity(data, 0);
    assert.deepEqual(await installationIdentity(data, 0), first);
    assert.match(first.accountId, /^[0-9a-f]{32}$/);
    assert.equal((await stat(join(data, "identity.json"))).mode & 0o077, 0);
    const { stdout } = spawnSync("openssl", ["x509", "-noout", "-ext", "subjectAltName"], { input: first.tls.cert, encoding: "utf8" });
    assert.match(stdout, /DNS:localhost, IP Address:127\.0\.0\.1/);
  });
});

test("the certificate for clients is there after a start that was killed before it was, or while it was written", async () => {
  await inDirectory(async (data) => {
    const { tls } = await installationIdentity(data, 0);
    for (const left of [undefined, tls.cert.slice(0, 100)]) {
      await rm(certificateFile(data));
      if (left !== undefined) await writeFile(certificateFile(data), left);
      await installationIdentity(data, 0);
      assert.equal(await readFile(certificateFile(data), "utf8"), tls.cert);
    }
  });
});

test("what a crashed machine has left of an installation names no process that has its number now", async () => {
  await inDirectory(async (data) => {
    const presence = writePresence(data, {} as Parameters<typeof writePresence>[1]);
    assert.equal(readPresence(data).pid, process.pid);
    await writeFile(join(data, "running.json"), JSON.stringify({ ...presence, processStart: presence.processStart - 1 }));
    assert.throws(
      () => readPresence(data),
      (error) => error instanceof LongshoreError && error.code === "UNAVAILABLE",
    );
  });
});

test("a data directory belongs to one process, and is free again when that ends", async () => {
  await inDirectory(async (data) => {
    const lock = lockDataDirectory(data);
    assert.throws(
      () => lockDataDirectory(data),
      (error) => error instanceof LongshoreError && error.code === "CONFLICT" && error.text.includes("longshore down"),
    );
    lock[Symbol.dispose]();
    lockDataDirectory(data)[Symbol.dispose]();
  });
});

test("a registry password says what it allows, until it expires, and cannot be changed", () => {
  const passwords = new RegistryPasswords("11".repeat(32));
  const password = passwords.mint({ push: false, pull: true, tokenId: "t" }, 60_000);
  assert.deepEqual(passwords.verify(password), { push: false, pull: true, tokenId: "t" });
  const [body = "", signature = ""] = password.split(".");
  const forged = Buffer.from(JSON.stringify({ push: true, pull: true, expires: Date.now() + 60_000 })).toString("base64url");
  assert.equal(passwords.verify(`${forged}.${signature}`), undefined);
  assert.equal(passwords.verify(body), undefined);
  assert.equal(passwords.verify(passwords.mint({ push: true, pull: true, tokenId: "t" }, -1)), undefined);
  assert.equal(new RegistryPasswords("22".repeat(32)).verify(password), undefined);
});

test("settings: flags win over the file, and a wrong one is named", async () => {
  assert.equal(readSettings({ edgePort: 1 }).edgePort, 1);
  assert.throws(() => readSettings({ edgePort: 70_000 }), /edgePort/);
  assert.throws(() => readSettings({ egdePort: 1 }), /egdePort/);
  assert.throws(() => readSettings({}, "/no/such/file.json"), /does not exist/);
  // With room for the longest script name in a socket's 107 bytes.
  assert.ok(runDirectory("/a/very/long/path".repeat(20)).length < 30);
});

test("a port that is taken is named, with the flag that chooses another", async () => {
  const first = createServer();
  const port = await listenOn(first, "127.0.0.1", 0, "edge", "--edge-port");
  await assert.rejects(
    listenOn(createServer(), "127.0.0.1", port, "edge", "--edge-port"),
    (error) =>
      error instanceof LongshoreError &&
      error.code === "CONFLICT" &&
      error.text.includes("--edge-port") &&
      error.text.includes(String(port)),
  );
  first.close();
});
