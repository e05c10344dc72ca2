import { constants } from "node:fs";
import { access, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.mjs";

const SYSTEM_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Programs that only the benchmarks use. Where the machine has them, those; else Debian's packages are downloaded and unpacked to a directory,
 * not installed: so no service is started, nothing runs at the next boot, and removing the directory removes them.
 *
 * @param {readonly string[]} programs what must be there
 * @param {readonly string[]} packages the packages that bring it
 * @param {string} directory where to unpack; need not exist
 * @param {(message: string) => void} log
 * @returns {Promise<Record<string, string>>} what to add to a child's environment
 */
export async function debianPrograms(programs, packages, directory, log) {
  const present = await Promise.all(programs.map(isInstalled));
  if (present.every(Boolean)) return { PATH: SYSTEM_PATH.join(":") };
  log(`Downloading the Debian packages ${packages.join(" ")} and what they need (unpacked for this run, not installed) …`);
  const archives = join(directory, "archives");
  const root = join(directory, "root");
  await mkdir(join(archives, "partial"), { recursive: true });
  const apt = ["-y", "-qq", "--no-install-recommends", "--download-only", "-o", `Dir::Cache::archives=${archives}`];
  await command("apt-get", ["install", ...apt, ...packages]).catch(async () => {
    await command("apt-get", ["update", "-qq"]);
    await command("apt-get", ["install", ...apt, ...packages]);
  });
  for (const name of await readdir(archives)) {
    if (name.endsWith(".deb")) await command("dpkg-deb", ["-x", join(archives, name), root]);
  }
  const libraries = ["usr/lib", "lib"].flatMap((name) => [join(root, name, `${multiarch()}-linux-gnu`), join(root, name)]);
  return {
    PATH: [...SYSTEM_PATH.map((path) => join(root, path)), ...SYSTEM_PATH].join(":"),
    LD_LIBRARY_PATH: libraries.join(":"),
    // iptables finds its extensions by an absolute path; unpacked, it must be told.
    ...((await isInstalled("iptables")) ? {} : { XTABLES_LIBDIR: join(root, `usr/lib/${multiarch()}-linux-gnu/xtables`) }),
  };
}

async function isInstalled(program) {
  for (const directory of SYSTEM_PATH) {
    const found = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

function multiarch() {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}
