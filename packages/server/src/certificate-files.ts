import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { type CertificatePair, hostsOf } from "@longshore/edge/certificates";
import type { EdgeSettings } from "./edge-settings.js";

/** How often it is looked whether files have changed, in milliseconds. A watch would miss what symbolic links lead to. */
const LOOK_MS = 5000;
/** The two files of a pair: beside others with a name of their own, or in a directory of their own. */
const BESIDE = [".crt", ".pem", ".cert"];
const WITHIN = [
  ["fullchain.pem", "privkey.pem"],
  ["tls.crt", "tls.key"],
] as const;

interface PairOfFiles {
  readonly cert: string;
  readonly key: string;
}

type Places = Pick<EdgeSettings, "tlsCert" | "tlsKey" | "tlsCertificates">;

/**
 * The operator's certificates, which only root may be able to read. They are looked at again and again: a pair that has changed counts as soon as it
 * is right, and until then the one that was right before.
 */
export class CertificateFiles implements Disposable {
  readonly #places: Places;
  readonly #notify: (message: string) => void;
  readonly #good = new Map<string, CertificatePair>();
  #seen = "";
  #timer: NodeJS.Timeout | undefined;

  /** Errors: `INVALID_INPUT` when the pair that is named by file cannot be used. */
  constructor(places: Places, notify: (message: string) => void) {
    this.#places = places;
    this.#notify = notify;
    const { tlsCert: cert, tlsKey: key, tlsCertificates } = places;
    if (cert !== undefined && key !== undefined) requireReadable({ cert, key });
    if (tlsCertificates !== undefined && !isDirectory(tlsCertificates)) {
      throw new LongshoreError("INVALID_INPUT", `There is no directory ${tlsCertificates} of certificates.`, {
        hint: "Make it, or name another with --tls-certificates.",
      });
    }
    this.#look();
  }

  get pairs(): CertificatePair[] {
    return [...this.#good.values()];
  }

  watch(changed: () => void): void {
    this.#timer = setInterval(() => {
      if (this.#look()) changed();
    }, LOOK_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** True when anything is different from before. */
  #look(): boolean {
    const files = filesOf(this.#places);
    const seen = files.map(({ cert, key }) => `${signature(cert)} ${signature(key)}`).join("\n");
    if (seen === this.#seen) return false;
    this.#seen = seen;
    for (const name of this.#good.keys()) if (!files.some(({ cert }) => cert === name)) this.#good.delete(name);
    for (const each of files) {
      try {
        this.#good.set(each.cert, read(each));
      } catch (error) {
        this.#notify(problem(each, error));
      }
    }
    return true;
  }
}

/** What is to be said of a certificate's file. */
export interface InspectedCertificate {
  readonly file: string;
  readonly hosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly endsAt: number;
  readonly problem?: string;
}

/** Looks at the operator's certificates. Never throws. */
export function inspectCertificates(places: Places): InspectedCertificate[] {
  return filesOf(places).map((files) => {
    try {
      const pair = read(files);
      return { file: files.cert, hosts: hostsOf(pair), endsAt: Date.parse(new X509Certificate(pair.cert).validTo) };
    } catch (error) {
      return { file: files.cert, hosts: [], endsAt: 0, problem: problem(files, error) };
    }
  });
}

function filesOf({ tlsCert: cert, tlsKey: key, tlsCertificates }: Places): PairOfFiles[] {
  return [
    ...(cert === undefined || key === undefined ? [] : [{ cert, key }]),
    ...(tlsCertificates === undefined ? [] : filesIn(tlsCertificates)),
  ];
}

function filesIn(directory: string): PairOfFiles[] {
  return namesIn(directory).flatMap((name): PairOfFiles[] => {
    const path = join(directory, name);
    if (isDirectory(path)) {
      return WITHIN.map(([cert, key]) => ({ cert: join(path, cert), key: join(path, key) })).filter(
        ({ cert, key }) => existsSync(cert) && existsSync(key),
      );
    }
    if (!name.endsWith(".key")) return [];
    const cert = BESIDE.map((ending) => path.slice(0, -".key".length) + ending).find((file) => existsSync(file));
    return cert === undefined ? [] : [{ cert, key: path }];
  });
}

function read({ cert, key }: PairOfFiles): CertificatePair {
  const pair = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  if (hostsOf(pair).length === 0) throw new Error("it names no host (subjectAltName)");
  return pair;
}

function requireReadable(files: PairOfFiles): void {
  try {
    read(files);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", problem(files, cause), { cause, hint: "Both must be PEM files that belong together." });
  }
}

function problem({ cert, key }: PairOfFiles, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `The certificate ${cert} with the key ${key} cannot be used (${reason}).`;
}

function signature(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${file} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return `${file} gone`;
  }
}

/** Looked at while everything runs: what cannot be read has nothing in it, and is no reason to end. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** False for what cannot be looked at, such as links that lead to themselves. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
