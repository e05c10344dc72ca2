import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { LongshoreError } from "@longshore/contract";
import type { LocalImage } from "../../image/local/index-file.js";
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
  const loaded = await localImages.load(await plain(request));
  response.writeHead(200, { "content-type": "application/json" });
  for (const image of loaded) response.write(`${JSON.stringify({ stream: `Loaded ${told(image)}\n` })}\n`);
  response.end();
  return { status: 200 };
}

function told({ names, digest }: LocalImage): string {
  return names.length === 0 ? `image ID: ${digest}` : names.map((name) => `image: ${name}`).join("\nLoaded ");
}

/** An archive as it is, or out of gzip. */
async function plain(source: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  async function* all() {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return head[0] === 0x1f && head[1] === 0x8b ? unzipped(all()) : all();
}

async function* unzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const fed = pipeline(source, gunzip).catch((cause: unknown) => {
    gunzip.destroy(new LongshoreError("INVALID_INPUT", "The archive's compression is damaged.", { cause }));
  });
  yield* gunzip as AsyncIterable<Buffer>;
  await fed;
}
