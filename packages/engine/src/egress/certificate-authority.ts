// Must come first: what issues certificates expects it.
import "reflect-metadata";
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname } from "node:path";
import { isErrno } from "@longshore/contract";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_MS = 3650 * DAY_MS;
/** Clients refuse certificates that are valid for longer than about a year. */
const LEAF_MS = 90 * DAY_MS;
/** A container's clock is the host's; a little slack for what compares seconds. */
const SLACK_MS = 3_600_000;
const CACHED_LEAVES = 1_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export interface KeyAndCertificate {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

/**
 * The authority that signs for every host an application's containers speak TLS to. It is the application's own: no other one's containers
 * trust it, and its key never leaves the engine.
 */
export class CertificateAuthority {
  /** The certificate, PEM. */
  readonly certificate: string;
  readonly #issuer: X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  /** One key for all leaves: making one is the larger part of the work, and none of them is meant to be told from another. */
  readonly #leafKeys: webcrypto.CryptoKeyPair;
  readonly #leafKey: string;
  readonly #leaves = new Map<string, { readonly leaf: Promise<KeyAndCertificate>; readonly until: number }>();

  private constructor(certificate: string, key: webcrypto.CryptoKey, leafKeys: webcrypto.CryptoKeyPair, leafKey: string) {
    this.certificate = certificate;
    this.#issuer = new X509Certificate(certificate);
    this.#key = key;
    this.#leafKeys = leafKeys;
    this.#leafKey = leafKey;
  }

  /** The authority that is kept in a file, or a new one, kept there. The file is for root alone. */
  static async open(file: string, name: string): Promise<CertificateAuthority> {
    const kept = read(file) ?? (await create(file, name));
    const der = Buffer.from(kept.key.replace(/-----[^-]+-----|\s/g, ""), "base64");
    const key = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
    const leafKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    return new CertificateAuthority(kept.cert, key, leafKeys, await pemKey(leafKeys.privateKey));
  }

  /** What OpenSSL names the certificate's file by in a directory of authorities. */
  get subjectHash(): string {
    return subjectHash(this.#issuer.subjectName.toJSON());
  }

  /** Key and certificate for a host's name or IP address; made at the first asking, in about 10 ms. */
  async leaf(host: string): Promise<KeyAndCertificate> {
    const cached = this.#leaves.get(host);
    if (cached !== undefined && Date.now() < cached.until) return await cached.leaf;
    this.#leaves.delete(host);
    const [oldest] = this.#leaves.keys();
    if (this.#leaves.size >= CACHED_LEAVES && oldest !== undefined) this.#leaves.delete(oldest);
    const leaf = this.#issue(host);
    this.#leaves.set(host, { leaf, until: Date.now() + LEAF_MS / 2 });
    leaf.catch(() => this.#leaves.delete(host));
    return await leaf;
  }

  async #issue(host: string): Promise<KeyAndCertificate> {
    const now = Date.now();
    const bare = host.replace(/^\[|\]$/g, "");
    const certificate = await X509CertificateGenerator.create(
      {
        // The name is in the extension; a common name has room for 64 characters only.
        subject: [{ CN: [bare.slice(0, 64)] }],
        issuer: this.#issuer.subjectName.toJSON(),
        publicKey: this.#leafKeys.publicKey,
        signingKey: this.#key,
        signingAlgorithm: ALGORITHM,
        notBefore: new Date(now - SLACK_MS),
        notAfter: new Date(now + LEAF_MS),
        extensions: [
          new SubjectAlternativeNameExtension([{ type: isIP(bare) === 0 ? "dns" : "ip", value: bare }]),
          new BasicConstraintsExtension(false),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          await AuthorityKeyIdentifierExtension.create(this.#issuer, false, webcrypto),
          await SubjectKeyIdentifierExtension.create(this.#leafKeys.publicKey, false, webcrypto),
        ],
      },
      webcrypto,
    );
    return { key: this.#leafKey, cert: certificate.toString("pem") };
  }
}

/** The last byte of `2.5.4.x`, for the attributes that the authority's own name has. */
const NAME_ATTRIBUTES: Readonly<Record<string, number>> = { CN: 3, O: 10 };

/**
 * `openssl x509 -subject_hash`: SHA-1 over the name's parts as DER sets, their values in lower case with single spaces, without the sequence around
 * them; the first four bytes, little-endian. Every part here is shorter than 128 bytes, so each length takes one.
 */
function subjectHash(name: readonly { readonly [attribute: string]: readonly string[] }[]): string {
  const tagged = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag, content.length]), content]);
  const parts = name.flatMap((part) =>
    Object.entries(part).map(([attribute, [value = ""]]) => {
      const oid = Buffer.from([6, 3, 0x55, 4, NAME_ATTRIBUTES[attribute] ?? 0]);
      const canonical = Buffer.from(value.trim().replace(/\s+/g, " ").toLowerCase());
      return tagged(0x31, tagged(0x30, Buffer.concat([oid, tagged(0x0c, canonical)])));
    }),
  );
  const digest = createHash("sha1").update(Buffer.concat(parts)).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, "0");
}

function read(file: string): KeyAndCertificate | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as KeyAndCertificate;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function create(file: string, name: string): Promise<KeyAndCertificate> {
  const now = Date.now();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: [{ O: ["Longshore"] }, { CN: [`Containers of ${name}`.slice(0, 64)] }],
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(now - SLACK_MS),
      notAfter: new Date(now + AUTHORITY_MS),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const made = { key: await pemKey(keys.privateKey), cert: `${certificate.toString("pem")}\n` };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.partial`, JSON.stringify(made), { mode: 0o600 });
  await rename(`${file}.partial`, file);
  return made;
}

async function pemKey(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${base64.replace(/(.{64})/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
}
