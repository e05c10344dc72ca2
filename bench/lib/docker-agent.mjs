// The docker side of a benchmark: runs in namespaces of its own (lib/docker.mjs), starts dockerd there, and does what it is told over IPC
// (docker-operations.mjs).
// dockerd, containerd, every container, mount, bridge and firewall rule live in these namespaces, and end with them.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { removeCgroups } from "./cgroups.mjs";
import { DockerApi } from "./docker-api.mjs";
import { dockerOperations } from "./docker-operations.mjs";

const [directory, cgroupParent] = process.argv.slice(2);
const socket = join(directory, "docker.sock");
const logFile = join(directory, "dockerd.log");
/** The network setups to try, the usual one first. */
const NETWORKS = [
  { name: "default bridge with iptables", flags: [] },
  { name: "default bridge without iptables", flags: ["--iptables=false", "--ip6tables=false"] },
];
const START_DEADLINE_MS = 30_000;

const api = new DockerApi(socket);
let dockerd;

const operations = {
  /** Starts dockerd; resolves with what it is. */
  async start() {
    // What dockerd and containerd keep below /run is theirs alone here, and cannot meet a docker that the machine has.
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", "/run"]);
    execFileSync("ip", ["link", "set", "lo", "up"]);
    for (const { name, flags } of NETWORKS) {
      if (!(await startDaemon(flags))) continue;
      const { Version, KernelVersion, Components } = await api.call("GET", "/version");
      const { Driver, CgroupVersion, SecurityOptions } = await api.call("GET", "/info");
      const runtime = Components.map((component) => `${component.Name} ${component.Version}`).join(", ");
      return {
        version: Version,
        kernel: KernelVersion,
        network: name,
        storage: Driver,
        cgroup: CgroupVersion,
        security: SecurityOptions,
        runtime,
      };
    }
    throw new Error(`dockerd does not start:\n${readFileSync(logFile, "utf8").split("\n").slice(-15).join("\n")}`);
  },

  ...dockerOperations(api, cgroupParent),
};

async function startDaemon(flags) {
  const own = ["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec"), "--pidfile", join(directory, "pid")];
  const log = createWriteStream(logFile, { flags: "a" });
  dockerd = spawn("dockerd", ["-H", `unix://${socket}`, ...own, "--cgroup-parent", cgroupParent, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  dockerd.stdout.pipe(log);
  dockerd.stderr.pipe(log);
  const ended = new Promise((resolve) => {
    dockerd.once("exit", () => resolve(false));
    dockerd.once("error", () => resolve(false));
  });
  return await Promise.race([ended, answers()]);
}

async function answers() {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline) {
    try {
      await api.call("GET", "/_ping");
      return true;
    } catch {
      // Not listening yet: nothing tells when it does.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return false;
}

process.on("message", async ({ id, operation, input }) => {
  try {
    process.send({ id, result: await operations[operation](input) });
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on("disconnect", async () => {
  // With this process its pid namespace ends, and everything in it; dockerd is asked first, so that it can unmount in order.
  if (dockerd?.exitCode === null && dockerd.signalCode === null) {
    const timer = setTimeout(() => process.exit(0), 10_000);
    const ended = once(dockerd, "exit");
    dockerd.kill("SIGTERM");
    await ended;
    clearTimeout(timer);
  }
  await removeCgroups(cgroupParent).catch((error) => console.error("docker: a cgroup is left:", error.message));
  process.exit(0);
});
