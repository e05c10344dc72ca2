// Must come first: what issues certificates expects it.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

const TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A self-signed certificate for `localhost` and loopback addresses, PEM. Node.js itself cannot issue one. */
export async function createCertificate(): Promise<{ key: string; cert: string }> {
  const crypto = webcrypto;
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const names = new SubjectAlternativeNameExtension([
    { type: "dns", value: "localhost" },
    { type: "ip", value: "127.0.0.1" },
    { type: "ip", value: "::1" },
  ]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=Longshore registry",
      keys,
      signingAlgorithm: ALGORITHM,
      notAfter: new Date(Date.now() + TEN_YEARS_MS),
      extensions: [new BasicConstraintsExtension(true, undefined, true), names],
    },
    crypto,
  );
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    cert: certificate.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${key.replace(/(.{64})/g, "$1\n")}\n-----END PRIVATE KEY-----\n`,
  };
}
