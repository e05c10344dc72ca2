import { readFile, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { LongshoreError } from "@longshore/contract";
import { type BuildRoot, openBuildRoot } from "../build-root.js";
import { buildah, runBuildah } from "../buildah.js";
import { giveToEngine } from "../development/give.js";
import { offerToEngine } from "../development/offer.js";
import { type Dockerfile, readDockerfile } from "../dockerfile.js";
import { PLATFORM } from "../platform.js";
import { findImage, readConfig } from "../storage.js";
import { runFlags } from "../walls.js";
import { sweep, withWorkDirectory } from "../work-directory.js";
import { explainFailure, platformOf, StepWatch, wrongPlatform } from "./build-failure.js";
import { type BuildRequest, readBuildRequest } from "./build-request.js";
import { print, type Verb } from "./verb.js";

/** `build -t NAME [-f -|FILE] [--build-arg K=V]… CONTEXT` */
export const build: Verb = async (args, { settings, signal }) => {
  const request = await readBuildRequest(args);
  const file = readDockerfile(request.dockerfile, request);
  refuseOtherPlatform(file);
  const root = await openBuildRoot(settings);
  return withWorkDirectory(root, async (workDirectory) => {
    const idFile = join(workDirectory, "id");
    const dockerfile = join(workDirectory, "Dockerfile");
    await writeFile(dockerfile, request.dockerfile);
    const watch = new StepWatch();
    const { code } = await runBuildah(root, buildahArguments(root, request, dockerfile, idFile), {
      output: "live",
      workDirectory,
      signal,
      walls: { readable: [request.context, ...request.reads] },
      onOutput: (chunk) => watch.see(chunk),
    });
    if (code !== 0) {
      await sweep(root);
      if (signal.aborted) return code;
      throw await explainFailure(root, file, watch, code);
    }
    const id = (await readFile(idFile, "utf8")).trim();
    await requireBuiltPlatform(root, file, request, id);
    await offerToEngine(root, settings, id, request.tags);
    if (settings.giveTo !== undefined) print(await giveToEngine(root, settings.giveTo, id, undefined, workDirectory));
    if (request.quiet) print(id);
    return 0;
  });
};

function buildahArguments(root: BuildRoot, request: BuildRequest, dockerfile: string, idFile: string): string[] {
  return [
    "bud",
    runFlags(root),
    "--layers",
    "--force-rm",
    ["--format", "docker"],
    ["--signature-policy", root.policy],
    ["--iidfile", idFile],
    // A registry that cannot be reached is known as such in a second, not in six.
    ["--retry", "2", "--retry-delay", "500ms"],
    // Given a platform, buildah defines TARGETARCH and its kin, then warns of each that the Dockerfile does not use.
    arch() !== "x64" || /\bTARGET(?:ARCH|OS|PLATFORM|VARIANT)\b/.test(request.dockerfile) ? ["--platform", PLATFORM] : [],
    request.tags.flatMap((tag) => ["--tag", tag]),
    Object.entries(request.buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    request.quiet ? ["--quiet"] : [],
    ...request.flags,
    ["--file", dockerfile],
    request.context,
  ].flat();
}

/** Before anything is pulled: a last stage that names another platform can only give an image that does not run here. */
function refuseOtherPlatform(file: Dockerfile): void {
  const { base } = file;
  const platform = base?.platform;
  if (base === undefined || platform === undefined || platform === PLATFORM) return;
  throw new LongshoreError(
    "UNSUPPORTED",
    `The Dockerfile builds for ${platform} ("FROM --platform=${platform} ${base.from}"), and containers here run ${PLATFORM}.`,
    {
      hint: "Take --platform out of the last stage.",
    },
  );
}

/** A base image for another platform builds without complaint when nothing in it is run. */
async function requireBuiltPlatform(root: BuildRoot, file: Dockerfile, request: BuildRequest, id: string): Promise<void> {
  const { base } = file;
  const baseImage = base === undefined || base.from === "scratch" ? undefined : await findImage(root, base.from);
  const built = await findImage(root, id);
  for (const image of [baseImage, built]) {
    if (image === undefined) continue;
    const platform = platformOf(await readConfig(root, image));
    if (platform === PLATFORM) continue;
    for (const tag of request.tags) await buildah(root, ["rmi", tag], `Removing ${tag}`);
    throw wrongPlatform(image === baseImage && base !== undefined ? `The base image ${base.from}` : "The image that was built", platform);
  }
}
