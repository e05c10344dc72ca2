import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { baseEntries, busyboxEntries, findStaticBusybox, PATH_IN_IMAGE } from "./busybox.js";
import type { SeedImage } from "./image-archive.js";
import type { LayerEntry } from "./layer-tar.js";

/** Arguments that are not a program go to node, as the official image does it: `["server.js"]`, `["--version"]`. */
const ENTRYPOINT = `#!/bin/sh
set -e
runs_by_itself() {
  found=$(command -v -- "$1") || return 1
  [ -n "$found" ] && { [ ! -f "$1" ] || [ -x "$1" ]; }
}
case "\${1-}" in
  -*) exec node "$@" ;;
esac
runs_by_itself "\${1-}" || exec node "$@"
exec "$@"
`;

const OS_RELEASE = 'ID=longshore-seed\nNAME="Longshore seed image"\nPRETTY_NAME="Longshore seed image"\n';

/** What this machine trusts, on Debian and in the image. */
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** C library modules that older C libraries load by name, so that `ldd` does not show them. */
const LOADED_BY_NAME = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

/**
 * `docker.io/library/node:20-slim` from a node program of this machine, the libraries it needs, npm if it is there, and busybox for the rest.
 * Errors: `UNAVAILABLE` when there is no static busybox or a library is missing.
 */
export function nodeSeed(path: string, node = process.execPath): SeedImage {
  const program = realpathSync(node);
  const version = spawnSync(program, ["--version"], { encoding: "utf8" }).stdout.trim();
  const npm = findNpm(program, path);
  const trusted = existsSync(CERTIFICATES);
  return {
    entries: [
      ...busyboxEntries(findStaticBusybox(path)),
      ...baseEntries({ users: "node:x:1000:1000::/home/node:/bin/sh\n", groups: "node:x:1000:\n" }),
      { path: "home/node", directory: true, owner: 1000 },
      { path: "etc/os-release", content: OS_RELEASE },
      ...(trusted ? [{ path: CERTIFICATES.slice(1), copyOf: CERTIFICATES }] : []),
      ...libraries(program),
      { path: "usr/local/bin/node", copyOf: program, mode: 0o755 },
      { path: "usr/local/bin/nodejs", symlink: "node" },
      { path: "usr/local/bin/docker-entrypoint.sh", content: ENTRYPOINT, mode: 0o755 },
      ...(npm === undefined ? [] : npmEntries(npm)),
      // npm brings certificates of its own; behind a proxy that looks into TLS, only those of the machine are right.
      ...(trusted && npm !== undefined ? [{ path: "usr/local/etc/npmrc", content: `cafile=${CERTIFICATES}\n` }] : []),
    ],
    config: { Env: [PATH_IN_IMAGE, `NODE_VERSION=${version.replace(/^v/, "")}`], Entrypoint: ["docker-entrypoint.sh"], Cmd: ["node"] },
    from: `${program} (${version}${npm === undefined ? ", without npm" : ", with npm"})`,
  };
}

/** The loader where the program expects it, and everything else beside the C library, where the loader looks. */
function libraries(program: string): LayerEntry[] {
  const { stdout, status } = spawnSync("ldd", [program], { encoding: "utf8" });
  // ldd fails for a static program, which needs nothing.
  if (status !== 0) return [];
  const found: string[] = [];
  for (const line of stdout.split("\n")) {
    const missing = /^\s*(\S+) => not found/.exec(line);
    if (missing !== null)
      throw new LongshoreError("UNAVAILABLE", `${program} needs the library ${missing[1]}, which is not on this machine.`);
    const file = /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1];
    if (file !== undefined) found.push(file);
  }
  const libc = found.find((file) => basename(file) === "libc.so.6");
  const place = libc === undefined ? "/lib" : dirname(libc);
  const extra = LOADED_BY_NAME.map((name) => join(place, name)).filter((file) => existsSync(file) && !found.includes(file));
  return [...found, ...extra].map((file) => {
    const isLoader = basename(file).startsWith("ld-");
    return { path: (isLoader ? file : join(place, basename(file))).slice(1), copyOf: realpathSync(file), mode: 0o755 };
  });
}

/** npm's directory: beside this node, else that of the `npm` on the path. Only one that carries its dependencies inside can be moved. */
function findNpm(program: string, path: string): string | undefined {
  const candidates = [join(dirname(dirname(program)), "lib", "node_modules", "npm")];
  for (const directory of path.split(delimiter)) {
    const script = join(directory, "npm");
    if (existsSync(script)) candidates.push(dirname(dirname(realpathSync(script))));
  }
  return candidates.find((directory) => existsSync(join(directory, "bin", "npm-cli.js")) && existsSync(join(directory, "node_modules")));
}

function npmEntries(npm: string): LayerEntry[] {
  const place = "usr/local/lib/node_modules/npm";
  return [
    ...treeEntries(npm, place),
    { path: "usr/local/bin/npm", symlink: "../lib/node_modules/npm/bin/npm-cli.js" },
    { path: "usr/local/bin/npx", symlink: "../lib/node_modules/npm/bin/npx-cli.js" },
  ];
}

function treeEntries(directory: string, place: string): LayerEntry[] {
  const entries: LayerEntry[] = [{ path: place, directory: true }];
  for (const item of readdirSync(directory, { withFileTypes: true })) {
    const source = join(directory, item.name);
    const path = `${place}/${item.name}`;
    if (item.isDirectory()) entries.push(...treeEntries(source, path));
    else if (item.isSymbolicLink()) entries.push({ path, symlink: readlinkSync(source) });
    else if (item.isFile()) entries.push({ path, copyOf: source, mode: (statSync(source).mode & 0o111) === 0 ? 0o644 : 0o755 });
  }
  return entries;
}
