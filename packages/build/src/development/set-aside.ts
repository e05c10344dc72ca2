import { engineImageNames, listContainers, removeContainer, removeEngineImage, tagEngineImage } from "../engine-client.js";
import { familiarName, fullName } from "../reference.js";
import { PREFIX } from "./name.js";

/** Images that the next build may share layers with, and that nothing can be started from: no program asks for such a name. */
const ASIDE = "longshore-replaced/";

/** True for a name that {@link setAside} has given. */
export function isSetAside(name: string): boolean {
  return name.startsWith(ASIDE);
}

/**
 * wrangler removes an image's name just before it builds the next one. Nothing starts from it any more, as with Docker, so that a request which comes
 * during the build finds no container of the old image when the build is done; but the engine keeps its layers until the next image is there.
 * Without an engine, or without the image there, does nothing. Errors: `UNAVAILABLE`.
 */
export async function setAside(engineSocket: string, name: string): Promise<void> {
  const familiar = familiarName(fullName(name));
  const [repository = "", tag = ""] = familiar.slice(PREFIX.length).split(":");
  if (!(await tagEngineImage(engineSocket, familiar, `${ASIDE}${repository}`, tag))) return;
  await removeEngineImage(engineSocket, familiar);
  const aside = `${ASIDE}${repository}:${tag}`;
  if ((await engineImageNames(engineSocket, aside)).length > 1) return;
  // What was started after wrangler had removed the containers, and before the name was gone.
  for (const { Id } of await listContainers(engineSocket, true, { ancestor: [aside] })) await removeContainer(engineSocket, Id, true);
}
