import { fileURLToPath } from "node:url";

/** Absolute path of the executable that stands in for `docker`: the value for `WRANGLER_DOCKER_BIN`. */
export function dockerCommandPath(): string {
  return fileURLToPath(new URL("../bin/longshore-docker.js", import.meta.url));
}
