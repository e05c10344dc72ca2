import { LongshoreError } from "@longshore/contract";
import type { LocalImage } from "../../image/local/index-file.js";
import { plainArchive } from "../plain-archive.js";
import type { Exchange, Route } from "../router.js";
import { findImage, type ImageParts } from "./known-images.js";

/** Who an image is in use by, in words; `undefined` when nobody needs it. */
export type ImageUser = (digest: string) => string | undefined;

/** Images of this machine: `docker load`, `docker tag`, `docker rmi`. `usedBy` says what must stay. */
export function localImageRoutes(parts: ImageParts, usedBy: ImageUser): Route[] {
  const { localImages } = parts;
  return [
    { method: "POST", path: /^\/images\/load$/, handle: async (exchange) => await load(parts, exchange) },
    {
      method: "POST",
      path: /^\/images\/(.+)\/tag$/,
      handle: async ({ parameters: [text = ""], query }) => {
        const tag = query.get("tag") ?? "";
        const name = `${query.get("repo") ?? ""}${tag === "" ? "" : `:${tag}`}`;
        const image = findImage(parts, text);
        if (image.local) await localImages.tag(image.digest, name);
        else await localImages.copy(parts.imageSource, image.reference, name);
        return { status: 201 };
      },
    },
    {
      method: "DELETE",
      path: /^\/images\/(.+)$/,
      handle: async ({ parameters: [text = ""], query }) => {
        const image = findImage(parts, text);
        if (!image.local) {
          throw new LongshoreError("CONFLICT", `The image ${text} belongs to an application.`, {
            hint: "It goes by itself when no application names it any more.",
          });
        }
        const force = ["1", "true"].includes(query.get("force") ?? "");
        const { untagged, deleted } = await localImages.remove(localImages.find(text) === undefined ? image.digest : text, {
          force,
          usedBy,
        });
        const body = [...untagged.map((name) => ({ Untagged: name })), ...(deleted === undefined ? [] : [{ Deleted: deleted }])];
        return { status: 200, body };
      },
    },
  ];
}

async function load({ localImages }: ImageParts, { request, response }: Exchange) {
  const loaded = await localImages.load(await plainArchive(request));
  response.writeHead(200, { "content-type": "application/json" });
  for (const image of loaded) response.write(`${JSON.stringify({ stream: `Loaded ${told(image)}\n` })}\n`);
  response.end();
  return { status: 200 };
}

function told({ names, digest }: LocalImage): string {
  return names.length === 0 ? `image ID: ${digest}` : names.map((name) => `image: ${name}`).join("\nLoaded ");
}
