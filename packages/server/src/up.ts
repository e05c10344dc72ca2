import { chmodSync, chownSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LongshoreError } from "@longshore/contract";
import { findWorkerd } from "@longshore/workers";
import { CertificateFiles } from "./certificate-files.js";
import { certificateFile, installationIdentity } from "./installation/identity.js";
import { lockDataDirectory } from "./installation/lock.js";
import { type Presence, removePresence, writePresence } from "./installation/presence.js";
import { installWorkerd } from "./installation/workerd-file.js";
import { requireAddress } from "./listen-on.js";
import { type Credentials, requireReachable, unprivileged } from "./process/credentials.js";
import type { Start } from "./process/messages.js";
import { Supervised } from "./process/supervised.js";
import { runDirectory, type Settings } from "./settings.js";

/** A running installation. */
export interface Installation {
  readonly presence: Presence;
  /** Ends everything, containers included; nothing is left but the data directory. */
  stop(): Promise<void>;
}

/**
 * Starts Longshore in this process's care: the engine (root), then the server (unprivileged). Either is restarted when it ends.
 * Errors: `INVALID_INPUT` for an address that is not this machine's; `FORBIDDEN` unless root, and when the server cannot get to the data directory; `CONFLICT` when the data directory or a port is in use; `UNAVAILABLE` when something is not installed.
 */
export async function up(settings: Settings, notify: (message: string) => void): Promise<Installation> {
  if (process.getuid?.() !== 0) {
    throw new LongshoreError("FORBIDDEN", "Longshore makes namespaces, mounts and cgroups, which only root may.", {
      hint: 'Start it as root ("sudo longshore up").',
    });
  }
  await requireAddress(settings.listen);
  const run = runDirectory(settings.data);
  mkdirSync(settings.data, { recursive: true });
  const credentials = unprivileged(settings.uid, notify);
  requireReachable(settings.data, settings.uid, credentials);
  const lock = lockDataDirectory(settings.data);
  try {
    prepareDirectories(settings, run);
    const identity = await installationIdentity(settings.data, settings.uid);
    writeSettings(settings);
    const certificates = new CertificateFiles(settings, notify);
    const start: Start = { settings, identity, runDirectory: run };
    const { engine, server, facts } = await startChildren(settings, start, credentials, certificates, notify);
    const presence = writePresence(settings.data, describe(settings, identity, facts));
    return {
      presence,
      async stop() {
        certificates[Symbol.dispose]();
        // The Workers first: a Worker without its engine would report errors for containers that are being ended on purpose.
        await server.stop();
        await engine.stop();
        removePresence(settings.data);
        rmSync(run, { recursive: true, force: true });
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    rmSync(run, { recursive: true, force: true });
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Starts the engine, then the server, which brings the Workers up. When either does not start, what was started is ended again. */
async function startChildren(
  settings: Settings,
  start: Start,
  credentials: Credentials,
  certificates: CertificateFiles,
  notify: (message: string) => void,
) {
  const logs = join(settings.data, "logs");
  let server: Supervised | undefined;
  const engine = new Supervised({
    name: "engine",
    program: entry("engine-main.js"),
    start,
    logFile: join(logs, "engine.log"),
    notify,
    away: (away) => server?.tell({ kind: "engine", away }),
  });
  await engine.ready();
  server = new Supervised({
    name: "server",
    program: entry("server-main.js"),
    // Other registries' passwords are the engine's business.
    start: {
      ...start,
      settings: { ...start.settings, registries: {} },
      certificates: certificates.pairs,
      ...(settings.acmeCa === undefined ? {} : { acmeCa: readCa(settings.acmeCa) }),
    },
    logFile: join(logs, "server.log"),
    notify,
    // One that was started again has those of the beginning.
    away: (away) => (away ? undefined : tellCertificates()),
    ...credentials,
  });
  const tellCertificates = () => server?.tell({ kind: "certificates", certificates: certificates.pairs });
  certificates.watch(tellCertificates);
  try {
    return { engine, server, facts: await server.ready() };
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

/** Errors: `INVALID_INPUT`. */
function readCa(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The certificate ${file} of the certificate authority's server cannot be read.`, {
      cause,
      hint: "Name another with --acme-ca, or leave it out.",
    });
  }
}

function entry(name: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), name);
}

function describe(
  settings: Settings,
  identity: Start["identity"],
  { apiPort, edgePort, registryPort, tlsPort }: Readonly<Record<string, number>>,
): Omit<Presence, "pid" | "processStart"> {
  const host = settings.listen === "0.0.0.0" || settings.listen === "::" ? "127.0.0.1" : settings.listen;
  return {
    startedAt: new Date().toISOString(),
    accountId: identity.accountId,
    token: identity.token,
    apiUrl: `http://${host}:${apiPort}/client/v4`,
    registryHost: `localhost:${registryPort}`,
    edgeUrl: `http://<name>.${settings.domain}:${edgePort}`,
    domain: settings.domain,
    edgePort: edgePort ?? settings.edgePort,
    ...(tlsPort === undefined ? {} : { edgeTlsUrl: `https://<name>.${settings.domain}:${tlsPort}`, tlsPort }),
    certificateFile: certificateFile(settings.data),
  };
}

/** For backups: what it runs with, in the form of a configuration file. Other registries' passwords stay in the operator's own file. */
function writeSettings({ data, registries: _secret, ...settings }: Settings): void {
  const file = join(data, "settings.json");
  writeFileSync(`${file}.partial`, `${JSON.stringify(settings, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.partial`, file);
}

/** Directories of the server belong to its user, those of the engine to root; nobody else can look into either. */
function prepareDirectories({ data, uid }: Settings, run: string): void {
  // Passed through by the server's user; what is below has modes of its own.
  chmodSync(data, 0o711);
  for (const name of ["bucket", "workers", "uploads"]) ownedBy(join(data, name), uid);
  // Private keys: for the server alone.
  ownedBy(join(data, "acme"), uid, 0o700);
  for (const name of ["engine", "logs", "build"]) mkdirSync(join(data, name), { recursive: true, mode: 0o700 });
  mkdirSync(run, { recursive: true, mode: 0o711 });
  ownedBy(join(run, "w"), uid);
  installWorkerd(realpathSync(findWorkerd()), join(data, "bin"));
}

function ownedBy(directory: string, uid: number, mode = 0o711): void {
  mkdirSync(directory, { recursive: true, mode });
  if (statSync(directory).uid !== uid) chownSync(directory, uid, uid);
}
