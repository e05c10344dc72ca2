import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository } from "@longshore/testkit";

/** Where `npm run setup -- --tests` puts a docker command on a machine that has none. */
const OWN = join(repository, "node_modules/.cache/docker/usr/bin/docker");

/** The real docker command. */
export const dockerCommand = existsSync(OWN) ? OWN : "docker";
