import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import type { AuthContext } from "ssh2";
import { mayLogIn } from "./authentication.js";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const string = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
const blobOf = (raw: string) => Buffer.concat([string(Buffer.from("ssh-ed25519")), string(Buffer.from(raw, "base64url"))]);
const key = { algo: "ssh-ed25519", data: blobOf(publicKey.export({ format: "jwk" }).x ?? "") };
const NO_KEYS = { authorizedKeys: [], authorityKeys: [] };
const MINE = { ...NO_KEYS, authorizedKeys: [`ssh-ed25519 ${key.data.toString("base64")} me@here`] };

function context(more: Record<string, unknown>): AuthContext {
  return { username: "cloudchamber", ...more } as never;
}

test("where keys are configured one of them is needed, and what it signs must be this connection's", () => {
  const data = Buffer.from("the connection's own");
  const asked = { method: "publickey", key };
  const signed = { ...asked, blob: data, signature: sign(null, data, privateKey) };
  assert.ok(mayLogIn(context(asked), MINE, 0), "whether the key would do may be asked");
  assert.ok(mayLogIn(context(signed), MINE, 0));
  assert.ok(!mayLogIn(context({ ...signed, blob: Buffer.from("another's") }), MINE, 0));
  assert.ok(!mayLogIn(context({ ...signed, username: "root" }), MINE, 0));
  assert.ok(!mayLogIn(context({ ...signed, key: { ...key, data: blobOf("A".repeat(43)) } }), MINE, 0));
  assert.ok(!mayLogIn(context({ ...signed, key: { ...key, algo: "ssh-rsa" } }), MINE, 0));
  for (const method of ["none", "password", "keyboard-interactive", "hostbased"])
    assert.ok(!mayLogIn(context({ method }), MINE, 0), method);
});

test("where no key is configured, whoever came through the tunnel may log in without one", () => {
  assert.ok(mayLogIn(context({ method: "none" }), NO_KEYS, 0));
  assert.ok(!mayLogIn(context({ method: "none", username: "root" }), NO_KEYS, 0));
  assert.ok(!mayLogIn(context({ method: "none" }), { ...NO_KEYS, authorityKeys: MINE.authorizedKeys }, 0));
  assert.ok(!mayLogIn(context({ method: "password" }), NO_KEYS, 0));
});
