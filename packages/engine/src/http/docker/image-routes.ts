import { imageDocuments } from "../../image/image-config.js";
import type { Route } from "../router.js";
import { findImage, type ImageParts, type KnownImage, knownImages } from "./known-images.js";

/** The images of this machine, as `docker images`, `docker image inspect` and `docker history` show them. */
export function imageRoutes(parts: ImageParts): Route[] {
  return [
    {
      method: "GET",
      path: /^\/images\/json$/,
      handle: ({ query }) => ({
        status: 200,
        body: knownImages(parts)
          .filter(nameFilter(query.get("filters")))
          .map(summary),
      }),
    },
    {
      method: "GET",
      path: /^\/images\/(.+)\/json$/,
      handle: async ({ parameters: [text = ""] }) => ({ status: 200, body: await details(parts, findImage(parts, text)) }),
    },
    {
      method: "GET",
      path: /^\/images\/(.+)\/history$/,
      handle: async ({ parameters: [text = ""] }) => ({ status: 200, body: await history(parts, findImage(parts, text)) }),
    },
  ];
}

/** `docker images <name>` asks for a name; other filters are the client's own business. */
function nameFilter(text: string | null): (image: KnownImage) => boolean {
  const { reference } = JSON.parse(text || "{}") as { reference?: Record<string, boolean> | string[] };
  if (reference === undefined) return () => true;
  const wanted = Array.isArray(reference) ? reference : Object.keys(reference);
  const patterns = wanted.map(
    (glob) =>
      new RegExp(
        `^${glob
          .replace(/[.+^${}()|[\]\\]/g, "\\$&")
          .replaceAll("*", "[^/]*")
          .replaceAll("?", ".")}(:[^/]*)?$`,
      ),
  );
  return ({ names }) => names.some((name) => patterns.some((pattern) => pattern.test(name)));
}

function summary({ digest, names, sizeBytes, createdAt }: KnownImage) {
  return {
    Id: digest,
    RepoTags: names.filter((name) => !name.includes("@")),
    RepoDigests: names.filter((name) => name.includes("@")),
    Size: sizeBytes,
    VirtualSize: sizeBytes,
    Created: Math.floor(createdAt / 1000),
    ParentId: "",
    SharedSize: -1,
    Containers: -1,
    Labels: {},
  };
}

async function details(parts: ImageParts, image: KnownImage) {
  const { config } = await imageDocuments(parts.imageSource, image.reference);
  return {
    ...summary(image),
    Created: config.created ?? "1970-01-01T00:00:00Z",
    Author: config.author ?? "",
    Architecture: config.architecture ?? "amd64",
    Os: config.os ?? "linux",
    Config: config.config ?? {},
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    GraphDriver: { Name: "overlay", Data: null },
    Metadata: { LastTagTime: new Date(image.createdAt).toISOString() },
  };
}

/** Newest first, as Docker has it. */
async function history(parts: ImageParts, image: KnownImage) {
  const { config, manifest } = await imageDocuments(parts.imageSource, image.reference);
  const sizes = manifest.layers.map(({ size }) => size);
  const steps = (config.history ?? []).map(({ created, created_by, comment, empty_layer }) => ({
    Id: "<missing>",
    Created: Math.floor(Date.parse(created ?? "1970-01-01T00:00:00Z") / 1000),
    CreatedBy: created_by ?? "",
    Comment: comment ?? "",
    Size: empty_layer === true ? 0 : (sizes.shift() ?? 0),
    Tags: null as readonly string[] | null,
  }));
  // Some builders leave the history out: then the layers are all there is to tell.
  for (const size of sizes) steps.push({ Id: "<missing>", Created: 0, CreatedBy: "", Comment: "", Size: size, Tags: null });
  const [newest, ...older] = steps.reverse();
  return newest === undefined ? [] : [{ ...newest, Id: image.digest, Tags: image.names }, ...older];
}
