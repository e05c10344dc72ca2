import { LongshoreError } from "@longshore/contract";
import { z } from "zod";
import { type BuildCommand, buildImage } from "../../image/build/build.js";
import { localName } from "../../image/local/name.js";
import { plainArchive } from "../plain-archive.js";
import { type Exchange, parseJson, type Route } from "../router.js";
import type { ImageParts } from "./known-images.js";
import { ProgressAnswer } from "./progress.js";

const SHORT_ID = 12;
const strings = z.record(z.string(), z.string().nullable());

export interface BuildPlace {
  /** `undefined`: this engine has none. */
  readonly builder: BuildCommand | undefined;
  readonly engineSocket: string;
  /** A directory for the context. */
  readonly scratch: string;
}

/** `docker build` as it is without BuildKit: the client sends the context as a tar archive and is told how it goes. */
export function buildRoute({ localImages }: ImageParts, place: BuildPlace): Route {
  return {
    method: "POST",
    path: /^\/build$/,
    handle: async (exchange) => {
      const { query, request, response } = exchange;
      const { builder } = place;
      if (builder === undefined) {
        throw new LongshoreError("UNSUPPORTED", "This engine builds no images.", { hint: "Build elsewhere, then use docker load." });
      }
      const tags = query
        .getAll("t")
        .filter((tag) => tag !== "")
        .map(localName);
      const options = { flags: flagsOf(query), dockerfile: query.get("dockerfile") || "Dockerfile" };
      const gone = new AbortController();
      response.once("close", () => gone.abort());
      const answer = new ProgressAnswer(response);
      return await answer.run(async () => {
        const said = (stream: string) => answer.tell({ stream });
        const digest = await buildImage({ ...builder, ...place }, await plainArchive(request), options, said, gone.signal);
        for (const tag of tags) await localImages.tag(digest, tag);
        answer.tell({ aux: { ID: digest } });
        said(`Successfully built ${digest.slice("sha256:".length, "sha256:".length + SHORT_ID)}\n`);
        for (const tag of tags) said(`Successfully tagged ${tag}\n`);
      });
    },
  };
}

/** Errors: `UNSUPPORTED` for what only BuildKit or a daemon with a git of its own can do. */
function flagsOf(query: Exchange["query"]): string[] {
  if (query.get("version") === "2") {
    throw new LongshoreError("UNSUPPORTED", "This engine builds without BuildKit.", { hint: "Set DOCKER_BUILDKIT=0." });
  }
  if ((query.get("remote") ?? "") !== "") {
    throw new LongshoreError("UNSUPPORTED", "The build context must be sent.", {
      hint: "Fetch the repository and build in its directory.",
    });
  }
  const is = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const value = (flag: string, name: string) => (query.get(name) ? [flag, query.get(name) ?? ""] : []);
  return [
    ...query
      .getAll("t")
      .filter((tag) => tag !== "")
      .flatMap((tag) => ["--tag", tag]),
    ...pairs(query.get("buildargs")).flatMap((pair) => ["--build-arg", pair]),
    ...pairs(query.get("labels")).flatMap((pair) => ["--label", pair]),
    ...value("--target", "target"),
    ...value("--platform", "platform"),
    ...(is("nocache") ? ["--no-cache"] : []),
    ...(is("pull") ? ["--pull"] : []),
  ];
}

/** `NAME=value` of a JSON object. A name without a value is one that the client's environment does not have. */
function pairs(text: string | null): string[] {
  const parsed = strings.safeParse(parseJson(text || "{}"));
  if (!parsed.success)
    throw new LongshoreError("INVALID_INPUT", `Build arguments and labels must be strings: ${z.prettifyError(parsed.error)}`);
  return Object.entries(parsed.data).flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
}
