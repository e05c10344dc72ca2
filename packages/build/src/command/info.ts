import { arch, cpus, hostname, release, totalmem } from "node:os";
import { openBuildRoot } from "../build-root.js";
import { requireBuildah, runBuildah } from "../buildah.js";
import { listImages } from "../storage.js";
import { renderTemplate } from "../template.js";
import { print, readFlags, type Verb } from "./verb.js";

/** What this program calls itself where Docker has a version. */
const VERSION = "0.1.0";

/** `info [--format TEMPLATE]`: fails when images cannot be built here, which is what wrangler asks it for. */
export const info: Verb = async (args, { settings }) => {
  const { values } = readFlags("info", args, { format: { type: "string", short: "f" } });
  requireBuildah(settings.environment);
  const root = await openBuildRoot(settings);
  const facts = {
    Name: hostname(),
    ServerVersion: VERSION,
    Driver: root.driver,
    DriverStatus: [["Storage", "containers/storage"]],
    SecurityOptions: [],
    Images: (await listImages(root)).filter((image) => image.names.length > 0).length,
    OSType: "linux",
    OperatingSystem: "Longshore (buildah)",
    Architecture: arch() === "x64" ? "x86_64" : arch(),
    KernelVersion: release(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    DockerRootDir: root.root,
    ServerErrors: [],
  };
  if (values.format !== undefined) print(renderTemplate(values.format, facts));
  else for (const [key, value] of Object.entries(facts)) print(`${key}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return 0;
};

/** `version [--format TEMPLATE]` */
export const version: Verb = async (args, { settings }) => {
  const { values } = readFlags("version", args, { format: { type: "string", short: "f" } });
  const root = await openBuildRoot(settings);
  const { stdout } = await runBuildah(root, ["--version"], { output: "capture" });
  const side = { Version: VERSION, Os: "linux", Arch: arch() === "x64" ? "amd64" : arch() };
  if (values.format !== undefined) print(renderTemplate(values.format, { Client: side, Server: side }));
  else print(`Longshore's docker command, version ${VERSION}\n${stdout.trim()}`);
  return 0;
};

/** `context ls [--format json]`: one context, so that `wrangler dev` finds the engine's socket. */
export const contextList: Verb = async (args, { settings }) => {
  const { values } = readFlags("context ls", args, { format: { type: "string" }, quiet: { type: "boolean", short: "q" } });
  const endpoint = settings.engineSocket === undefined ? "" : `unix://${settings.engineSocket}`;
  const context = { Current: true, Description: "Longshore's engine", DockerEndpoint: endpoint, Error: "", Name: "default" };
  if (values.quiet === true) print(context.Name);
  else if (values.format !== undefined) print(renderTemplate(values.format, context));
  else print(`${context.Name} *   ${endpoint}`);
  return 0;
};
