import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@longshore/contract";
import type { CertificatePair } from "../certificates.js";

/** The account with a certificate authority: its private key (PEM), and once it exists its URL. */
export interface AcmeAccount {
  readonly directoryUrl: string;
  readonly key: string;
  readonly url?: string;
}

const ACCOUNT = "account.json";
const SUFFIX = ".certificate.json";

/** Certificates that were issued here, and the account they were asked for with. Each is one file, whole or not there; only this process's user can read it. */
export class CertificateDirectory {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(path: string): Promise<CertificateDirectory> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new CertificateDirectory(path);
  }

  async account(directoryUrl: string): Promise<AcmeAccount | undefined> {
    const account = (await this.#read(ACCOUNT)) as AcmeAccount | undefined;
    return account?.directoryUrl === directoryUrl ? account : undefined;
  }

  putAccount(account: AcmeAccount): Promise<void> {
    return this.#write(ACCOUNT, account);
  }

  async all(): Promise<Map<string, CertificatePair>> {
    const pairs = new Map<string, CertificatePair>();
    for (const name of await readdir(this.#path)) {
      if (!name.endsWith(SUFFIX)) continue;
      const pair = (await this.#read(name)) as CertificatePair | undefined;
      if (pair !== undefined) pairs.set(name.slice(0, -SUFFIX.length), pair);
    }
    return pairs;
  }

  /** `host` is a host name, and so a file's name. */
  put(host: string, pair: CertificatePair): Promise<void> {
    return this.#write(host + SUFFIX, pair);
  }

  async delete(host: string): Promise<void> {
    await rm(join(this.#path, host + SUFFIX), { force: true });
  }

  /** What is broken counts as not there: it can be had again. */
  async #read(name: string): Promise<unknown> {
    try {
      return JSON.parse(await readFile(join(this.#path, name), "utf8"));
    } catch (error) {
      if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async #write(name: string, value: unknown): Promise<void> {
    const path = join(this.#path, name);
    const file = await open(`${path}.partial`, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify(value));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.partial`, path);
    const directory = await open(this.#path, "r");
    await directory.sync().finally(() => directory.close());
  }
}
