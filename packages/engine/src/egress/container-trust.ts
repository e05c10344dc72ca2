import { closeSync, constants, fchmodSync, fchownSync, fstatSync, lchownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "@longshore/contract";
import { openInRoot } from "../sys/open-in-root.js";
import type { CertificateAuthority } from "./certificate-authority.js";

/** Where a container finds the certificate of its application's authority (spec 16, trust the CA certificate). */
export const CERTIFICATE_PATH = "/etc/cloudflare/certs/cloudflare-containers-ca.crt";

/** The files that programs take the trusted authorities from, by distribution. More than one may be the same file. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine, Arch
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/etc/ssl/cert.pem", // Alpine's OpenSSL
];
/** OpenSSL looks authorities up here by a hash of their names. */
const HASHED_DIRECTORY = "/etc/ssl/certs";
/** `update-ca-certificates` makes the bundle anew from what is here, and would drop what is not. */
const LOCAL_CERTIFICATES = "/usr/local/share/ca-certificates";
const PUBLIC_FILE = 0o644;
const PUBLIC_DIRECTORY = 0o755;
const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;

interface Root {
  readonly directory: string;
  readonly owner: number;
}
type Authority = Pick<CertificateAuthority, "certificate" | "subjectHash">;

/** What programs that do not use the image's trust store are told by environment variables, unless the user has set them. */
export type TrustVariables = Readonly<Record<string, string>>;

/**
 * Puts the certificate into a container, under the documented name and into the trust store that its image has, so that what uses the store needs
 * no step of its own. `root` may be that of a running container: every path is resolved by the kernel within it. What is made belongs to `owner`, the host's id
 * of the container's root.
 * Errors: a container without room for the file. A trust store that cannot be written is left as it is.
 */
export function installCertificate(rootDirectory: string, authority: Authority, owner = 0): TrustVariables {
  const root = { directory: rootDirectory, owner };
  writeInRoot(root, CERTIFICATE_PATH, authority.certificate);
  const bundles = BUNDLES.filter((bundle) => appendOnce(root, bundle, authority.certificate));
  if (isDirectory(root, HASHED_DIRECTORY)) writeIfPossible(root, `${HASHED_DIRECTORY}/${authority.subjectHash}.0`, authority.certificate);
  if (isDirectory(root, LOCAL_CERTIFICATES)) {
    writeIfPossible(root, `${LOCAL_CERTIFICATES}/cloudflare-containers-ca.crt`, authority.certificate);
  }
  return trustVariables(bundles[0]);
}

/**
 * Node.js adds a file to its own authorities. The others take one file in place of theirs: only the image's whole bundle will do. AWS_CA_BUNDLE is not
 * among them: clients in Go, which use the image's store anyway, fail when it is set (rclone), and those in Python take the one for requests.
 */
function trustVariables(bundle: string | undefined): TrustVariables {
  const additive = { NODE_EXTRA_CA_CERTS: CERTIFICATE_PATH };
  if (bundle === undefined) return additive;
  return { ...additive, REQUESTS_CA_BUNDLE: bundle, DENO_TLS_CA_STORE: "mozilla,system" };
}

/** True when the bundle is there and holds the certificate now. */
function appendOnce(root: Root, path: string, certificate: string): boolean {
  const fd = openInRoot(root.directory, path, constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY);
  if (fd === undefined) return false;
  try {
    const status = fstatSync(fd);
    if (!status.isFile() || status.size > MAX_BUNDLE_BYTES) return false;
    const content = readFileSync(fd, "utf8");
    if (!content.includes(certificate)) writeFileSync(fd, `${content.endsWith("\n") ? "" : "\n"}${certificate}`);
    return true;
  } catch (error) {
    return unwritable(error);
  } finally {
    closeSync(fd);
  }
}

function writeIfPossible(root: Root, path: string, content: string): void {
  try {
    writeInRoot(root, path, content);
  } catch (error) {
    unwritable(error);
  }
}

/** A full or read-only file system is no reason to fail where the file only makes things easier. */
function unwritable(error: unknown): false {
  if (isErrno(error, "ENOSPC") || isErrno(error, "EROFS") || isErrno(error, "EDQUOT")) return false;
  throw error;
}

function writeInRoot(root: Root, path: string, content: string): void {
  makeDirectory(root, dirname(path));
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openInRoot(root.directory, path, flags);
  if (fd === undefined) throw new Error(`the container does not let ${path} be written`);
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} in the container is not a file`);
    fchownSync(fd, root.owner, root.owner);
    fchmodSync(fd, PUBLIC_FILE);
    writeFileSync(fd, content);
  } finally {
    closeSync(fd);
  }
}

/** The directory is made below an open one, never by a path that the container could bend. */
function makeDirectory(root: Root, path: string): void {
  if (path === "/" || isDirectory(root, path)) return;
  makeDirectory(root, dirname(path));
  const parent = openInRoot(root.directory, dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  if (parent === undefined) throw new Error(`the container does not let ${path} be made`);
  try {
    const made = `/proc/self/fd/${parent}/${path.slice(path.lastIndexOf("/") + 1)}`;
    mkdirSync(made, { mode: PUBLIC_DIRECTORY });
    lchownSync(made, root.owner, root.owner);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  } finally {
    closeSync(parent);
  }
}

function isDirectory(root: Root, path: string): boolean {
  const fd = openInRoot(root.directory, path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK);
  if (fd !== undefined) closeSync(fd);
  return fd !== undefined;
}
