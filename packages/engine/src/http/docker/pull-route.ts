import { LongshoreError } from "@longshore/contract";
import type { LayerProgress } from "../../image/local/copy-image.js";
import { familiarName } from "../../image/local/name.js";
import { namesRegistry } from "../../image/registry/reference.js";
import type { Route } from "../router.js";
import type { ImageParts } from "./known-images.js";
import { ProgressAnswer } from "./progress.js";

const SHORT_ID = 12;
const TELL_EVERY_MS = 200;
const PLATFORM = "linux/amd64";

/**
 * `docker pull`: from the installation's own registry where it has the name, else from the registry that the name is of (Docker Hub for names without
 * one). Which credentials go where is the engine's configuration, not the client's.
 */
export function pullRoute(parts: ImageParts): Route {
  return {
    method: "POST",
    path: /^\/images\/create$/,
    handle: async ({ query, request, response }) => {
      request.resume();
      // Newer clients write Docker Hub's host out, older ones leave it off: either way it may be a name of the installation's own registry.
      const image = familiarName(query.get("fromImage") ?? "");
      if (image === "")
        throw new LongshoreError("UNSUPPORTED", "Images are not made from an archive of files here.", {
          hint: "Use docker load or docker build.",
        });
      const platform = query.get("platform") || PLATFORM;
      if (platform !== PLATFORM) throw new LongshoreError("UNSUPPORTED", `Containers run ${PLATFORM}, not ${platform}.`);
      const text = withTag(image, query.get("tag") ?? "");
      const answer = new ProgressAnswer(response);
      return await answer.run(async () => {
        const reference = await whereItIs(parts, text);
        const name = text.includes("@") ? undefined : text;
        answer.tell({ status: `Pulling from ${image}`, ...(name === undefined ? {} : { id: name.slice(name.lastIndexOf(":") + 1) }) });
        const before = parts.localImages.find(text)?.digest;
        const pulled = await parts.localImages.copy(parts.imageSource, reference, name, layerProgress(answer));
        await parts.images.prepare(parts.localImages.reference(pulled));
        answer.tell({ status: `Digest: ${pulled.digest}` });
        answer.tell({ status: `Status: ${before === pulled.digest ? "Image is up to date" : "Downloaded newer image"} for ${text}` });
      });
    },
  };
}

function withTag(image: string, tag: string): string {
  if (tag.startsWith("sha256:")) return `${image}@${tag}`;
  const named = image.includes("@") || image.lastIndexOf(":") > image.lastIndexOf("/");
  return named ? image : `${image}:${tag || "latest"}`;
}

async function whereItIs({ imageSource }: ImageParts, text: string): Promise<string> {
  if (namesRegistry(text) || (await imageSource.manifest(text)) !== undefined) return text;
  return text.includes("/") ? `docker.io/${text}` : `docker.io/library/${text}`;
}

/** Tells of each layer's beginning and end, and now and then of what has come. */
function layerProgress(answer: ProgressAnswer): LayerProgress {
  const told = new Map<string, number>();
  return ({ digest, size }, bytes) => {
    const id = digest.slice("sha256:".length, "sha256:".length + SHORT_ID);
    const last = told.get(digest);
    if (last === undefined) answer.tell({ status: "Pulling fs layer", progressDetail: {}, id });
    if (bytes < size && last !== undefined && Date.now() - last < TELL_EVERY_MS) return;
    told.set(digest, Date.now());
    answer.tell({ status: "Downloading", progressDetail: { current: bytes, total: size }, progress: megabytes(bytes, size), id });
    if (bytes >= size) answer.tell({ status: "Pull complete", progressDetail: {}, id });
  };
}

function megabytes(bytes: number, of: number): string {
  return `${(bytes / 1e6).toFixed(1)}MB/${(of / 1e6).toFixed(1)}MB`;
}
