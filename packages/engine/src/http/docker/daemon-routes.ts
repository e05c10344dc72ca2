import { cpus, hostname, release, totalmem } from "node:os";
import type { ContainerEngine } from "../../engine.js";
import type { Route } from "../router.js";

/** The newest version of the API that is answered; clients come down to it. */
const API_VERSION = "1.43";
const OLDEST_API_VERSION = "1.24";
const VERSION = "0.1.0-longshore";

/** What Docker clients ask of a daemon before anything else. */
export function daemonRoutes(engine: ContainerEngine): Route[] {
  const ping = ({ response }: Parameters<Route["handle"]>[0]) => {
    response
      .writeHead(200, { "api-version": API_VERSION, ostype: "linux", "content-type": "text/plain", "builder-version": "1" })
      .end("OK");
    return { status: 200 };
  };
  return [
    { method: "GET", path: /^\/_ping$/, handle: ping },
    { method: "HEAD", path: /^\/_ping$/, handle: ping },
    { method: "GET", path: /^\/version$/, handle: () => ({ status: 200, body: version() }) },
    { method: "GET", path: /^\/info$/, handle: () => ({ status: 200, body: info(engine) }) },
    { method: "GET", path: /^\/volumes$/, handle: () => ({ status: 200, body: { Volumes: [], Warnings: [] } }) },
    { method: "GET", path: /^\/networks$/, handle: () => ({ status: 200, body: [] }) },
  ];
}

function version() {
  const facts = { ApiVersion: API_VERSION, MinAPIVersion: OLDEST_API_VERSION, Os: "linux", Arch: "amd64", KernelVersion: release() };
  const engine = { Name: "Engine", Version: VERSION, Details: facts };
  return { Platform: { Name: "Longshore" }, Components: [engine], Version: VERSION, ...facts, GoVersion: "", GitCommit: "", BuildTime: "" };
}

function info(engine: ContainerEngine) {
  const all = [...engine.containers.byId.values()];
  const count = (...statuses: string[]) => all.filter(({ status }) => statuses.includes(status)).length;
  const { cgroups } = engine.parts.host;
  return {
    ID: hostname(),
    Name: hostname(),
    Containers: all.length,
    ContainersRunning: count("starting", "running", "stopping"),
    ContainersPaused: count("frozen"),
    ContainersStopped: count("created", "exited"),
    Images: engine.parts.images.list().length,
    Driver: "overlay",
    LoggingDriver: "k8s-file",
    CgroupDriver: "cgroupfs",
    CgroupVersion: String(cgroups.version),
    KernelVersion: release(),
    OperatingSystem: "Longshore",
    OSType: "linux",
    Architecture: "x86_64",
    NCPU: cpus().length,
    MemTotal: totalmem(),
    DockerRootDir: engine.parts.directories.data,
    ServerVersion: VERSION,
    DefaultRuntime: engine.parts.host.runtime.program,
    Runtimes: { [engine.parts.host.runtime.program]: { path: engine.parts.host.runtime.program } },
    SecurityOptions: ["name=seccomp,profile=default"],
    Plugins: { Volume: [], Network: [], Authorization: [], Log: ["k8s-file"] },
    RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs: [], Mirrors: [] },
    Swarm: { LocalNodeState: "inactive" },
    Warnings: [],
  };
}
