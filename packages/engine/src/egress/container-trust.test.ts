import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CertificateAuthority } from "./certificate-authority.js";
import { CERTIFICATE_PATH, installCertificate } from "./container-trust.js";

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "longshore-t-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("an authority is kept, for root alone, and OpenSSL accepts what it signs", async (t) => {
  const path = directory(t);
  const file = join(path, "kept", "authority.json");
  const authority = await CertificateAuthority.open(file, "shop");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await CertificateAuthority.open(file, "shop")).certificate, authority.certificate);
  writeFileSync(join(path, "ca.pem"), authority.certificate);
  assert.equal(
    execFileSync("openssl", ["x509", "-in", join(path, "ca.pem"), "-noout", "-subject_hash"])
      .toString()
      .trim(),
    authority.subjectHash,
  );
  for (const host of ["api.example.com", `${"long.".repeat(30)}example`, "203.0.113.7", "[2606:4700::1111]"]) {
    writeFileSync(join(path, "leaf.pem"), (await authority.leaf(host)).cert);
    const name = host.replace(/[[\]]/g, "");
    const verify = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", join(path, "ca.pem")];
    const whom = /^[\d.]+$|:/.test(name) ? ["-verify_ip", name] : ["-verify_hostname", name];
    assert.match(execFileSync("openssl", [...verify, ...whom, join(path, "leaf.pem")]).toString(), /OK/);
  }
  assert.equal(await authority.leaf("api.example.com"), await authority.leaf("api.example.com"));
});

test("a Debian image's trust store takes the certificate, once, and keeps it when it is made anew", async (t) => {
  const root = directory(t);
  const authority = await CertificateAuthority.open(join(directory(t), "authority.json"), "shop");
  for (const path of ["etc/ssl/certs", "usr/local/share/ca-certificates"]) mkdirSync(join(root, path), { recursive: true });
  const bundle = join(root, "etc/ssl/certs/ca-certificates.crt");
  writeFileSync(bundle, "-----BEGIN CERTIFICATE-----\nothers\n-----END CERTIFICATE-----");
  symlinkSync("/etc/ssl/certs/ca-certificates.crt", join(root, "etc/ssl/cert.pem"));
  for (let times = 0; times < 2; times++) {
    const variables = installCertificate(root, authority);
    assert.equal(variables.NODE_EXTRA_CA_CERTS, CERTIFICATE_PATH);
    assert.equal(variables.REQUESTS_CA_BUNDLE, "/etc/ssl/certs/ca-certificates.crt");
    assert.equal(variables.AWS_CA_BUNDLE, undefined);
  }
  assert.equal(readFileSync(bundle, "utf8").split("BEGIN CERTIFICATE").length, 3);
  assert.equal(readFileSync(join(root, CERTIFICATE_PATH), "utf8"), authority.certificate);
  assert.ok(existsSync(join(root, "usr/local/share/ca-certificates/cloudflare-containers-ca.crt")));
  writeFileSync(join(root, "leaf.pem"), (await authority.leaf("api.example.com")).cert);
  const verify = ["verify", "-no-CAfile", "-CApath", join(root, "etc/ssl/certs"), join(root, "leaf.pem")];
  assert.match(execFileSync("openssl", verify).toString(), /OK/);
});

test("an image without a trust store gets the file; one whose links lead outside keeps them inside", async (t) => {
  const authority = await CertificateAuthority.open(join(directory(t), "authority.json"), "shop");
  const bare = directory(t);
  assert.deepEqual(installCertificate(bare, authority), { NODE_EXTRA_CA_CERTS: CERTIFICATE_PATH });
  const outside = directory(t);
  const sly = directory(t);
  mkdirSync(join(sly, "etc/cloudflare"), { recursive: true });
  symlinkSync(`../../../../../../../..${outside}`, join(sly, "etc/cloudflare/certs"));
  symlinkSync(outside, join(sly, "etc/ssl"));
  assert.throws(() => installCertificate(sly, authority));
  assert.equal(execFileSync("ls", ["-A", outside]).toString(), "");
});
