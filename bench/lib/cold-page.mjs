import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Docker } from "./docker.mjs";
import { firstByte, now } from "./first-byte.mjs";
import { saveImage } from "./image-archive.mjs";

/** The application of bench/app/cold: a static file server, one container for each path. */
export const COLD_APP = fileURLToPath(new URL("../app/cold/", import.meta.url));
const NAME = "bench-cold";
/** The limits of the instance type in bench/app/cold/wrangler.jsonc (standard-2), for docker. */
const LIMITS = { memoryBytes: 6144 * 1024 * 1024, nanoCpus: 1e9, pids: 4096 };
/** The same container, for docker's operations. */
export const DOCKER_PAGE = { image: NAME, port: 8080, path: "/index.html", limits: LIMITS };

/** Deploys the application to a platform, and starts a docker with the same image. */
export async function coldPageOnBoth(platform, { directory, cleanup, log }) {
  await platform.longshore(["image", "seed", "busybox"]);
  log("Deploying bench/app/cold …");
  await platform.deploy(COLD_APP);
  const docker = await Docker.start({ directory, cleanup, log });
  const archive = join(directory, "image.tar");
  await saveImage(platform, "bench-cold-page", archive, NAME);
  await docker.do("load", { archive });
  return docker;
}

/** A request to the container of a path, which is started when it does not run: times on the clock of {@link now}. */
export async function requestPage(platform, path) {
  const from = now();
  const { at, status, head } = await firstByte(target(platform, path));
  return { ms: at - from, from, at, status, head };
}

/** Ends and removes the container of a path. */
export async function removePage(platform, path) {
  await firstByte({ ...target(platform, path), method: "DELETE" });
}

function target(platform, path) {
  return { port: platform.edgePort, hostHeader: platform.hostOf(NAME), path };
}
