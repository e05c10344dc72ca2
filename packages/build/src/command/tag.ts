import { openBuildRoot } from "../build-root.js";
import { buildah } from "../buildah.js";
import { offerToEngine } from "../development/offer.js";
import { fullName } from "../reference.js";
import { requireImage } from "../storage.js";
import { readFlags, requireWords, type Verb } from "./verb.js";

/** `tag IMAGE NAME` */
export const tag: Verb = async (args, { settings }) => {
  const { positionals } = readFlags("tag", args, {});
  requireWords("tag", positionals, ["IMAGE", "NAME"]);
  const [source = "", target = ""] = positionals;
  const name = fullName(target);
  const root = await openBuildRoot(settings);
  const image = await requireImage(root, source);
  if (!image.names.includes(name)) await buildah(root, ["tag", image.id, name], `Tagging ${source} as ${target}`);
  await offerToEngine(root, settings, image.id, [name]);
  return 0;
};
