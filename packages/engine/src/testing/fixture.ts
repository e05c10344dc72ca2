import { randomUUID } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCgroups } from "../cgroup/open.js";
import { Disks } from "../disk/disks.js";
import type { ImageConfig, PreparedImage } from "../image/types.js";
import { availableGrants } from "../sandbox/grants.js";
import { IdRanges } from "../sandbox/id-ranges.js";
import { DEFAULT_CAPABILITIES } from "../sandbox/oci-spec.js";
import type { SandboxHost } from "../sandbox/sandbox.js";
import { seccompFor } from "../sandbox/seccomp.js";
import { SeccompFilters } from "../sandbox/seccomp-filters.js";
import { prepareShim } from "../sandbox/shim.js";
import { enterPrivateMountNamespace, passableName } from "../sys/mount-namespace.js";

const APPLETS = [
  "sh",
  "cat",
  "echo",
  "sleep",
  "httpd",
  "id",
  "env",
  "ls",
  "nc",
  "mkdir",
  "yes",
  "head",
  "hostname",
  "ulimit",
  "df",
  "kill",
  "dd",
  "seq",
  "tail",
];

export interface Fixture extends AsyncDisposable {
  readonly directory: string;
  readonly host: SandboxHost;
  readonly image: PreparedImage;
  /** The same layers with another configuration. */
  imageWith(config: Partial<ImageConfig>): PreparedImage;
}

/** A temporary sandbox host, and a real image whose only layer is the machine's static busybox. */
export async function fixture(): Promise<Fixture> {
  enterPrivateMountNamespace();
  const directory = await mkdtemp(join(tmpdir(), "longshore-engine-"));
  const layers = join(directory, "layers");
  const layer = join(layers, "busybox");
  for (const path of ["layers/busybox/bin", "layers/busybox/etc", "layers/busybox/tmp", "instances", "logs", "exits", "runtime"]) {
    await mkdir(join(directory, path), { recursive: true });
  }
  await copyFile("/bin/busybox", join(layer, "bin/busybox"));
  for (const applet of APPLETS) await symlink("busybox", join(layer, "bin", applet));
  await writeFile(join(layer, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n");
  await writeFile(join(layer, "etc/group"), "root:x:0:\napp:x:1000:\n");
  const cgroups = openCgroups(`longshore-test-${randomUUID().slice(0, 8)}`);
  const config: ImageConfig = { env: ["PATH=/bin"], entrypoint: [], command: ["sh"], workingDirectory: "/", user: "", exposedPorts: [] };
  const image: PreparedImage = { digest: `sha256:${"0".repeat(64)}`, layers: ["busybox"], config, sizeBytes: 1 };
  return {
    directory,
    image,
    imageWith: (changes) => ({ ...image, config: { ...config, ...changes } }),
    host: {
      directory: join(directory, "instances"),
      mounts: passableName(join(directory, "instances")),
      ids: new IdRanges(process.pid),
      layersDirectory: layers,
      exitsDirectory: join(directory, "exits"),
      logsDirectory: join(directory, "logs"),
      shim: await prepareShim(join(directory, "busybox")),
      runtime: {
        program: "/usr/bin/crun",
        options: [`--root=${join(directory, "runtime")}`, "--cgroup-manager=cgroupfs"],
        givesTerminals: true,
        stateDirectory: join(directory, "runtime"),
      },
      cgroups,
      disks: await Disks.detect(directory),
      seccomp: seccompFor(DEFAULT_CAPABILITIES),
      filters: new SeccompFilters(),
      grants: availableGrants(),
      openFiles: 1024,
    },
    async [Symbol.asyncDispose]() {
      await cgroups.removeParent();
      const left = await readdir(join(directory, "instances"));
      await rm(directory, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`The test left sandboxes behind: ${left.join(", ")}`);
    },
  };
}
