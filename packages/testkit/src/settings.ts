import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository that this package stands in. */
export const repository = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** What of this process's environment reaches the programs that tests run: enough to find programs, nothing that could lead them elsewhere. */
export function baseEnvironment(): NodeJS.ProcessEnv {
  const { PATH = "/usr/sbin:/usr/bin:/sbin:/bin", LANG = "C.UTF-8" } = process.env;
  return { PATH, LANG };
}
