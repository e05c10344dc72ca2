import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "@longshore/contract/testing";
import type { CertificatePair } from "../certificates.js";

export { freePort };

/** A certificate authority that asks the hosts' web servers: Debian's pebble, with a resolver that finds every host on this machine. */
export interface Pebble extends Disposable {
  readonly directoryUrl: string;
  /** Certificate of its own server, PEM. */
  readonly ca: string;
}

/** `webPort`: where it asks, in place of 80. `apiPort` and `server`: where its API is, and with which certificate. */
export async function startPebble(options: { webPort: number; apiPort?: number; server?: CertificatePair }): Promise<Pebble> {
  const { webPort, apiPort = await freePort(), server = selfSigned("localhost") } = options;
  const directory = mkdtempSync(join(tmpdir(), "le-pebble-"));
  const children: ChildProcess[] = [];
  const dispose = () => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const [dns, management, dnsManagement] = [await freePort(), await freePort(), await freePort()];
    const [certificate, privateKey] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    writeFileSync(certificate, server.cert);
    writeFileSync(privateKey, server.key);
    const addresses = { listenAddress: `127.0.0.1:${apiPort}`, managementListenAddress: `127.0.0.1:${management}` };
    const pebble = {
      ...addresses,
      certificate,
      privateKey,
      httpPort: webPort,
      tlsPort: 1,
      ocspResponderURL: "",
      externalAccountBindingRequired: false,
      domainBlocklist: ["blocked.example"],
    };
    writeFileSync(join(directory, "pebble.json"), JSON.stringify({ pebble }));
    const off = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
    const here = ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""];
    children.push(
      await start("pebble-challtestsrv", ["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${dnsManagement}`, ...here, ...off]),
    );
    // By default it waits at random, and remembers what was proved before.
    const env = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_AUTHZREUSE: "0" };
    children.push(await start("pebble", ["-config", join(directory, "pebble.json"), "-dnsserver", `127.0.0.1:${dns}`], env));
  } catch (error) {
    dispose();
    throw error;
  }
  return { directoryUrl: `https://localhost:${apiPort}/dir`, ca: server.cert, [Symbol.dispose]: dispose };
}

/** A self-signed certificate for these hosts, made by OpenSSL. */
export function selfSigned(...hosts: string[]): CertificatePair {
  const directory = mkdtempSync(join(tmpdir(), "le-cert-"));
  try {
    const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    const names = hosts.map((host) => `DNS:${host}`).join(",");
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", [...args, "-subj", `/CN=${hosts[0]}`, "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", cert], {
      stdio: "ignore",
    });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const START_MS = 60_000;

/** Resolves when the program says that it listens. */
async function start(program: string, args: string[], env: Record<string, string> = {}): Promise<ChildProcess> {
  const child = spawn(program, args, { env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const output: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const failed = (what: string) => reject(new Error(`${program} ${what}:\n${output.join("\n")}`));
    const timer = setTimeout(() => failed("does not start"), START_MS);
    timer.unref();
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        output.push(line);
        if (/ACME directory available at|management server/i.test(line)) resolve();
      });
    }
    child.once("exit", () => failed("ended"));
    child.once("error", reject);
  });
  return child;
}
