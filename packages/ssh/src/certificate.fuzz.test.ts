import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { certifiedKey } from "./certificate.js";
import { keyOf, publicKeyBlob } from "./keys.js";

/** Inputs in the suite; `npm run fuzz` sets many more. */
const RUNS = 500;
const runs = () => fc.readConfigureGlobal().numRuns ?? RUNS;

test("a certificate is good for whom and how long its authority says, and no changed byte of it is", () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-cert-"));
  try {
    const keygen = (...args: string[]) => assert.equal(spawnSync("ssh-keygen", ["-q", ...args], { cwd: directory }).status, 0);
    for (const name of ["authority", "user"]) keygen("-t", "ed25519", "-N", "", "-f", name);
    const certified = (...args: string[]) => {
      keygen("-s", "authority", "-I", "id", ...args, "user.pub");
      return Buffer.from(readFileSync(join(directory, "user-cert.pub"), "utf8").split(" ")[1] ?? "", "base64");
    };
    const authority = publicKeyBlob(readFileSync(join(directory, "authority.pub"), "utf8"));
    const user = publicKeyBlob(readFileSync(join(directory, "user.pub"), "utf8"));
    const blob = certified("-n", "other,cloudchamber", "-V", "+1h");
    const now = Date.now();
    assert.deepEqual(
      certifiedKey(blob, [user, authority], "cloudchamber", now)?.export({ format: "jwk" }),
      keyOf(user)?.export({ format: "jwk" }),
    );
    assert.equal(certifiedKey(blob, [user], "cloudchamber", now), undefined, "not by somebody else");
    assert.equal(certifiedKey(blob, [authority], "root", now), undefined);
    assert.equal(certifiedKey(blob, [authority], "cloudchamber", now + 7_200_000), undefined);
    assert.equal(certifiedKey(certified("-V", "+1h"), [authority], "cloudchamber", now), undefined, "for everybody is for nobody");
    assert.equal(certifiedKey(certified("-n", "cloudchamber", "-h"), [authority], "cloudchamber", now), undefined, "a host's");
    const forced = certified("-n", "cloudchamber", "-O", "force-command=ls");
    assert.equal(certifiedKey(forced, [authority], "cloudchamber", now), undefined, "an option that is not obeyed");
    const changed = fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const other = Buffer.from(blob);
      other[at] = (other[at] ?? 0) ^ by;
      assert.equal(certifiedKey(other, [authority], "cloudchamber", now), undefined);
    });
    fc.assert(changed, { numRuns: runs() });
    const anything = fc.property(
      fc.uint8Array({ maxLength: 400 }),
      (bytes) => certifiedKey(Buffer.from(bytes), [authority], "x", now) === undefined,
    );
    fc.assert(anything, { numRuns: runs() });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("what is no key of the served type is refused", () => {
  const property = fc.property(fc.string(), (text) => {
    assert.throws(() => publicKeyBlob(text), { code: "INVALID_INPUT" });
    assert.throws(() => publicKeyBlob(`ssh-ed25519 ${text}`), { code: "INVALID_INPUT" });
  });
  fc.assert(property, { numRuns: runs() });
});
