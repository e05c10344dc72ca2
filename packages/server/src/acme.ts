import { join } from "node:path";
import type { PublishedScript } from "@longshore/contract";
import { CertificateDirectory, type Certificates, certifiableHosts, Issuer, ManagedCertificates } from "@longshore/edge";
import { acmeDirectory } from "./edge-settings.js";
import { log } from "./log.js";
import type { Settings } from "./settings.js";

/** Certificates from an authority, for the hosts that Workers are published at. */
export interface Acme extends Disposable {
  challengeAnswer(token: string): string | undefined;
  /** Where Workers are published now. */
  follow(scripts: readonly PublishedScript[]): void;
  /** The authority can reach the edge from now on. */
  start(): void;
}

/** Undefined where no authority is set. `ca`: the certificate of the authority's own server, PEM. */
export async function openAcme(settings: Settings, certificates: Certificates, ca: string | undefined): Promise<Acme | undefined> {
  const { acme, acmeEmail, domain, data } = settings;
  if (acme === undefined) return undefined;
  const directory = await CertificateDirectory.open(join(data, "acme"));
  const issuer = new Issuer({
    directoryUrl: acmeDirectory(acme),
    directory,
    ...(acmeEmail === undefined ? {} : { email: acmeEmail }),
    ...(ca === undefined ? {} : { ca }),
  });
  const managed = await ManagedCertificates.open({
    certificates,
    directory,
    issue: (host) => issuer.issue(host),
    clock: Date.now,
    log: (message) => log.info(message),
  });
  let started = false;
  let hosts: string[] = [];
  return {
    challengeAnswer: (token) => issuer.challengeAnswer(token),
    follow(scripts) {
      hosts = certifiableHosts(scripts, domain);
      if (started) managed.setHosts(hosts);
    },
    start() {
      started = true;
      managed.setHosts(hosts);
    },
    [Symbol.dispose]: () => managed[Symbol.dispose](),
  };
}
