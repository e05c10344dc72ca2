import { LongshoreError } from "@longshore/contract";
import type { ContainerEngine } from "../../engine.js";
import type { PreparedImage } from "../../image/types.js";
import type { Route } from "../router.js";

/** Images that are unpacked on this machine, as `docker images` and `docker image inspect` show them. */
export function imageRoutes(engine: ContainerEngine): Route[] {
  return [
    {
      method: "GET",
      path: /^\/images\/json$/,
      handle: () => ({ status: 200, body: engine.parts.images.list().map((known) => summary(known.image, known.references)) }),
    },
    {
      method: "GET",
      path: /^\/images\/(.+)\/json$/,
      handle: ({ parameters: [text = ""] }) => {
        const known = findImage(engine, text);
        return { status: 200, body: details(known.image, known.references) };
      },
    },
  ];
}

function findImage(engine: ContainerEngine, text: string) {
  const known = engine.parts.images
    .list()
    .find(({ image, references }) => references.includes(text) || image.digest === text || hex(image.digest).startsWith(text));
  if (known === undefined) throw new LongshoreError("NOT_FOUND", `No such image: ${text}`);
  return known;
}

function summary({ digest, sizeBytes }: PreparedImage, names: readonly string[]) {
  return {
    Id: digest,
    RepoTags: names.filter((name) => !name.includes("@")),
    RepoDigests: names.filter((name) => name.includes("@")),
    Size: sizeBytes,
    VirtualSize: sizeBytes,
    Created: 0,
    ParentId: "",
    SharedSize: -1,
    Containers: -1,
    Labels: {},
  };
}

function details(image: PreparedImage, names: readonly string[]) {
  const { config, layers } = image;
  return {
    ...summary(image, names),
    Created: "1970-01-01T00:00:00Z",
    Architecture: "amd64",
    Os: "linux",
    Config: {
      Env: config.env,
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      WorkingDir: config.workingDirectory,
      User: config.user,
      ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])),
    },
    RootFS: { Type: "layers", Layers: layers },
  };
}

const hex = (digest: string) => digest.slice("sha256:".length);
