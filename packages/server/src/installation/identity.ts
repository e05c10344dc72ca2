import { randomBytes } from "node:crypto";
import { chownSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What makes this installation this one: made once, kept in `<data>/identity.json`, outside of the bucket that it protects. */
export interface InstallationIdentity {
  /** 32 hex: clients tell an account by that form. */
  readonly accountId: string;
  /** The API token of the owner. */
  readonly token: string;
  /** Encrypts secrets at rest: 32 bytes, hex. */
  readonly secretsKey: string;
  /** Signs the registry's passwords: 32 bytes, hex. */
  readonly registryKey: string;
  /** The registry's certificate for this machine's own names, PEM. */
  readonly tls: { readonly key: string; readonly cert: string };
}

/** Reads the identity, or makes it. Only root and `uid` can read it; its certificate is in a file of its own besides, for everybody. */
export async function installationIdentity(data: string, uid: number): Promise<InstallationIdentity> {
  const file = join(data, "identity.json");
  const identity = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as InstallationIdentity) : await makeIdentity(file, uid);
  publishCertificate(certificateFile(data), identity.tls.cert);
  return identity;
}

async function makeIdentity(file: string, uid: number): Promise<InstallationIdentity> {
  const data = dirname(file);
  // Once in an installation's life: no other command should wait until it is loaded.
  const { createCertificate } = await import("./certificate.js");
  const identity: InstallationIdentity = {
    accountId: randomBytes(16).toString("hex"),
    token: `ls_${randomBytes(24).toString("base64url")}`,
    secretsKey: randomBytes(32).toString("hex"),
    registryKey: randomBytes(32).toString("hex"),
    tls: await createCertificate(),
  };
  mkdirSync(data, { recursive: true });
  // Secrets are acknowledged that nothing but this can open: it must be on disk before.
  writeFileSync(`${file}.partial`, JSON.stringify(identity), { mode: 0o600, flush: true });
  chownSync(`${file}.partial`, uid, uid);
  renameSync(`${file}.partial`, file);
  syncDirectory(data);
  syncDirectory(dirname(data));
  return identity;
}

/** Clients need the certificate alone, and may be anybody. Looked at with every start: the first one may have been killed before this, or in it. */
function publishCertificate(file: string, certificate: string): void {
  if (existsSync(file) && readFileSync(file, "utf8") === certificate) return;
  writeFileSync(file, certificate, { mode: 0o644 });
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Where clients find the registry's certificate (`NODE_EXTRA_CA_CERTS`). */
export function certificateFile(data: string): string {
  return join(data, "registry.crt");
}
