import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeCgroups } from "./cgroups.mjs";
import { debianPrograms } from "./debian.mjs";

const AGENT = fileURLToPath(new URL("docker-agent.mjs", import.meta.url));
const PROGRAMS = ["dockerd", "containerd", "runc", "iptables", "ip"];
const PACKAGES = ["docker.io", "containerd", "runc", "iptables", "iproute2"];
/** A shell as the first process of the pid namespace: it takes in what containerd leaves behind, and ends with the agent. */
const FIRST_PROCESS = ["sh", "-c", '"$@"; exit $?', "first-process"];

/**
 * A dockerd of the benchmark's own, in mount, network and pid namespaces of its own: it neither sees nor disturbs a docker that the machine
 * runs, and nothing of it outlives the benchmark, even if that is killed.
 */
export class Docker {
  /** What dockerd says of itself. */
  facts;
  #agent;
  #pending = new Map();
  #nextId = 1;

  constructor(agent) {
    this.#agent = agent;
    agent.on("message", ({ id, result, error }) => {
      const { resolve, reject } = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(`docker: ${error}`));
    });
    agent.on("exit", () => {
      for (const { reject } of this.#pending.values()) reject(new Error("docker: its side of the benchmark has ended."));
    });
  }

  /** @param {{ directory: string, cleanup: import("./cleanup.mjs").Cleanup, log: (message: string) => void }} options */
  static async start({ directory, cleanup, log }) {
    const root = join(directory, "docker");
    await mkdir(root, { recursive: true });
    const environment = await debianPrograms(PROGRAMS, PACKAGES, join(directory, "docker-packages"), log);
    const cgroupParent = `/longshore-bench-${process.pid}`;
    const namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const agent = spawn("unshare", [...namespaces, ...FIRST_PROCESS, process.execPath, AGENT, root, cgroupParent], {
      stdio: ["ignore", 2, 2, "ipc"],
      env: { ...process.env, ...environment },
      // Out of the terminal's process group: Ctrl-C is the benchmark's, which then ends this in order.
      detached: true,
    });
    cleanup.defer(async () => {
      await endAgent(agent);
      await removeCgroups(cgroupParent);
      await rm(root, { recursive: true, force: true });
    });
    const docker = new Docker(agent);
    docker.facts = await docker.do("start", {});
    log(`dockerd ${docker.facts.version} (${docker.facts.network}, ${docker.facts.storage}, cgroup v${docker.facts.cgroup}).`);
    return docker;
  }

  /** Has the agent do one operation (docker-operations.mjs lists them). */
  async do(operation, input) {
    const id = this.#nextId++;
    return await new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#agent.send({ id, operation, input }, (error) => error && reject(error));
    });
  }
}

async function endAgent(agent) {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const gone = once(agent, "exit");
  agent.disconnect();
  const timer = setTimeout(() => agent.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(timer);
}
