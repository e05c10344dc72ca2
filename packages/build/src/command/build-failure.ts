import { LongshoreError } from "@longshore/contract";
import type { BuildRoot } from "../build-root.js";
import { spaceError } from "../disk-space.js";
import type { Dockerfile } from "../dockerfile.js";
import { PLATFORM } from "../platform.js";
import { fullName, parseReference } from "../reference.js";
import { seedFor } from "../seed/seed.js";
import { findIn, type ImageConfig, listImages, readConfig } from "../storage.js";

/** Follows a build's output, to know at which step it was when it failed. */
export class StepWatch {
  /** The last announced step, `2/3: RUN make`. */
  step: string | undefined;
  #line = "";

  /** Takes the next chunk of output. */
  see(chunk: string): void {
    const lines = (this.#line + chunk).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.step = /^(?:\[\d+\/\d+\] )?STEP (\d+\/\d+: .*)$/.exec(line)?.[1] ?? this.step;
  }
}

/**
 * Why a build failed, from what can be seen afterwards in storage and on disk, not from what buildah wrote: a base image that did not arrive, one
 * for another platform, a full disk, or else the step it was at.
 */
export async function explainFailure(root: BuildRoot, file: Dockerfile, watch: StepWatch, code: number): Promise<LongshoreError> {
  const noSpace = await spaceError(root);
  if (noSpace !== undefined) return noSpace;
  const images = await listImages(root);
  for (const reference of file.images) {
    const image = findIn(images, reference);
    if (image === undefined) return notPulled(reference);
    const platform = platformOf(await readConfig(root, image));
    if (platform !== PLATFORM) return wrongPlatform(`The base image ${reference}`, platform);
  }
  const where = watch.step === undefined ? "before its first step" : `at step ${watch.step}`;
  return new LongshoreError("INVALID_INPUT", `The Dockerfile failed ${where} (buildah ended with code ${code}); its last lines are above.`);
}

/** The error for an image that cannot run here. */
export function wrongPlatform(what: string, platform: string): LongshoreError {
  return new LongshoreError("UNSUPPORTED", `${what} is for ${platform}, and containers here run ${PLATFORM}.`, {
    hint: `Use a base image for ${PLATFORM}.`,
  });
}

/** `os/architecture` of an image. */
export function platformOf(config: ImageConfig): string {
  return `${config.os ?? "linux"}/${config.architecture ?? "unknown"}`;
}

function notPulled(reference: string): LongshoreError {
  const name = fullName(reference);
  const seed = seedFor(name);
  const { host } = parseReference(name);
  return new LongshoreError(
    "UNAVAILABLE",
    `The base image ${name} is not on this machine and could not be pulled; buildah's reason is above.`,
    {
      hint:
        seed === undefined
          ? `Check its name and that ${host} can be reached from here. Without that, push it into Longshore's own registry from a machine that has it, and name it there in FROM.`
          : `Run "longshore image seed ${seed}": it makes this image from the machine's own packages. Or make ${host} reachable from here.`,
    },
  );
}
