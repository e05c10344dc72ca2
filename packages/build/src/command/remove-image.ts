import { LongshoreError } from "@longshore/contract";
import { openBuildRoot } from "../build-root.js";
import { buildah } from "../buildah.js";
import { isDevelopmentName } from "../development/name.js";
import { setAside } from "../development/set-aside.js";
import { forgetDigests } from "../push-record.js";
import { fullName } from "../reference.js";
import { findImage, listImages, requireImage } from "../storage.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `image rm IMAGE…`: takes the name away, and the image with its last one. Layers that the build cache holds stay. */
export const removeImage: Verb = async (args, { settings }) => {
  const { values, positionals } = readFlags("rmi", args, {
    force: { type: "boolean", short: "f" },
    "no-prune": { type: "boolean" },
  });
  if (positionals.length === 0) requireWords("rmi", positionals, ["IMAGE"]);
  const root = await openBuildRoot(settings);
  for (const name of positionals) {
    if (values.force === true && (await findImage(root, name)) === undefined) continue;
    const image = await requireImage(root, name);
    const byId = `sha256:${image.id}`.startsWith(name) || image.id.startsWith(name);
    if (byId && image.names.length > 1 && values.force !== true) {
      throw new LongshoreError("CONFLICT", `The image ${name} has several names: ${image.names.join(", ")}.`, {
        hint: "Remove it by name, or use --force.",
      });
    }
    await buildah(root, ["rmi", ...(byId ? ["--force", image.id] : [fullName(name)])], `Removing ${name}`);
    if (!byId && settings.engineSocket !== undefined && isDevelopmentName(name)) await setAside(settings.engineSocket, name);
    if (!(await listImages(root)).some(({ id }) => id === image.id)) {
      await forgetDigests(root, image.id);
      print(`Deleted: sha256:${image.id}`);
    } else {
      print(`Untagged: ${name}`);
    }
  }
  return 0;
};
