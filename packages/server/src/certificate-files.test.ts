import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateFiles, inspectCertificates } from "./certificate-files.js";
import { createCertificate } from "./installation/certificate.js";

test("what cannot be looked at among the certificates keeps none of the others from being used", async () => {
  const directory = mkdtempSync(join(tmpdir(), "longshore-certificates-"));
  try {
    const { cert, key } = await createCertificate();
    writeFileSync(join(directory, "good.crt"), cert);
    writeFileSync(join(directory, "good.key"), key);
    symlinkSync("loop", join(directory, "loop"));
    symlinkSync("loop.key", join(directory, "loop.key"));
    writeFileSync(join(directory, "loop.crt"), cert);
    const places = { tlsCert: undefined, tlsKey: undefined, tlsCertificates: directory };
    const told: string[] = [];
    using files = new CertificateFiles(places, (message) => void told.push(message));
    assert.deepEqual(files.pairs, [{ cert, key }]);
    assert.match(told.join("\n"), /^The certificate \S+loop\.crt with the key \S+loop\.key cannot be used \(.*\)\.$/);
    assert.deepEqual(
      inspectCertificates(places).map(({ problem }) => problem === undefined),
      [true, false],
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
