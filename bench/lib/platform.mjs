import { spawn } from "node:child_process";
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { EngineClient, EngineDirectories } from "../../packages/engine/dist/index.js";
import { runDirectory } from "../../packages/server/dist/settings.js";
import { command, end } from "./command.mjs";
import { processTable } from "./memory.mjs";

const CLI = fileURLToPath(new URL("../../packages/cli/bin/longshore.js", import.meta.url));

/**
 * A Longshore of the benchmark's own: data in `directory`, free ports, everything else as a user gets it.
 *
 * @param {{ directory: string, cleanup: import("./cleanup.mjs").Cleanup, env?: Record<string, string>, flags?: readonly string[] }} options
 */
export async function startPlatform({ directory, cleanup, env = {}, flags = [] }) {
  const data = join(directory, "longshore");
  await mkdir(data, { recursive: true });
  const ports = ["--edge-port", "0", "--api-port", "0", "--registry-port", "0"];
  const logFile = join(data, "up.log");
  // A file, not a pipe: it has somebody to write to even if this process is killed, in which case the kernel tells it to end.
  const log = await open(logFile, "a");
  const child = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, CLI, "up", "--data", data, ...ports, ...flags], {
    stdio: ["ignore", log.fd, log.fd],
    env: { ...process.env, ...env },
  });
  await log.close();
  cleanup.defer(async () => {
    await end(child);
    await rm(data, { recursive: true, force: true });
  });
  await isUp(child, logFile);
  const presence = JSON.parse(await readFile(join(data, "running.json"), "utf8"));
  return new Platform(data, presence, child.pid);
}

class Platform {
  /** Where applications answer, on 127.0.0.1. */
  edgePort;
  /** The data directory. */
  data;
  /** The container engine, past the server: for what no client of the platform can ask for. */
  engine;
  apiPort;
  registryPort;
  #api;
  #domain;
  #pid;

  constructor(data, { edgePort, apiUrl, registryHost, domain, accountId, token }, pid) {
    this.data = data;
    this.edgePort = edgePort;
    this.apiPort = Number(new URL(apiUrl).port);
    this.registryPort = Number(registryHost.split(":").pop());
    this.#api = { url: `${apiUrl}/accounts/${accountId}`, headers: { authorization: `Bearer ${token}` } };
    this.#domain = domain;
    this.#pid = pid;
    const directories = new EngineDirectories(join(data, "engine"), runDirectory(data));
    this.engine = new EngineClient(directories.adminSocket, (tenant) => directories.tenantSocket(tenant));
  }

  /** The Host header that leads to an application. */
  hostOf(name) {
    return `${name}.${this.#domain}:${this.edgePort}`;
  }

  /** The body of an application's answer, which must be good. */
  async get(name, path) {
    const response = await new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port: this.edgePort, path, headers: { host: this.hostOf(name) }, agent: false }, resolve)
        .once("error", reject)
        .end();
    });
    const body = await text(response);
    if (response.statusCode === 200) return body;
    const log = await readFile(join(this.data, "workers", name, "workerd.log"), "utf8");
    throw new Error(`${path} is answered with ${response.statusCode}:\n${body}\nThe Worker's last lines:\n${log.slice(-4000)}`);
  }

  /** A request to the API, below the account; resolves with its result. */
  async api(method, path, body) {
    const { url, headers } = this.#api;
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } };
    const response = await fetch(`${url}/${path}`, { method, headers, ...json });
    const { success, result, errors } = await response.json();
    if (!success) throw new Error(`${method} ${path} failed: ${JSON.stringify(errors)}`);
    return result;
  }

  /** One command of the CLI; resolves with its output. */
  async longshore(args, cwd) {
    return await command(process.execPath, [CLI, ...args, "--data", this.data], { cwd });
  }

  /** Deploys the application in a directory with the real wrangler. */
  async deploy(directory, ...args) {
    await this.longshore(["deploy", ...args], directory);
  }

  /** Host pids of the programs in the containers that run now, by instance id. */
  async containerProcesses() {
    const directory = join(this.data, "engine", "instances");
    const names = (await readdir(directory)).filter((name) => name.endsWith(".json"));
    // The last line is the record; a container that is only prepared for has none.
    const records = await Promise.all(
      names.map(async (name) => JSON.parse((await readFile(join(directory, name), "utf8")).trim().split("\n").at(-1) || "{}")),
    );
    return records
      .filter(({ status }) => status === "running")
      .map(({ id, applicationId, process: { pid } }) => ({ id, applicationId, pid }));
  }

  /**
   * The platform's own processes, each with what it is: `up`, `engine`, `server`, `workerd`, `conmon`, and `shim`, the first process in each
   * container. The programs in the containers, which are the shims' children, are left out.
   */
  async processes() {
    const table = await processTable();
    const found = [];
    const add = (process) => {
      const kind = kindOf(process);
      found.push({ pid: process.pid, kind });
      if (kind !== "shim") for (const child of table) if (child.parent === process.pid) add(child);
    };
    // conmon is nobody's child: it outlives the engine.
    const isConmon = ({ name, command }) => name === "conmon" && command.includes(this.data);
    for (const process of table) if (process.pid === this.#pid || isConmon(process)) add(process);
    return found;
  }
}

function kindOf({ name, command }) {
  if (name === "conmon") return "conmon";
  if (command.startsWith("/.longshore/busybox")) return "shim";
  if (command.includes("engine-main.js")) return "engine";
  if (command.includes("server-main.js")) return "server";
  if (command.includes("workerd")) return "workerd";
  return command.includes(" up ") ? "up" : "other";
}

async function isUp(child, logFile) {
  while (child.exitCode === null && child.signalCode === null) {
    if ((await readFile(logFile, "utf8")).includes("Ctrl-C ends it.")) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Longshore did not start.\n${await readFile(logFile, "utf8")}`);
}
