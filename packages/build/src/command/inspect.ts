import { openBuildRoot } from "../build-root.js";
import { imageDetails } from "../image-details.js";
import { requireImage } from "../storage.js";
import { renderTemplate } from "../template.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `image inspect IMAGE… [--format TEMPLATE]` */
export const inspect: Verb = async (args, { settings }) => {
  const { values, positionals } = readFlags("inspect", args, {
    format: { type: "string", short: "f" },
    type: { type: "string" },
    size: { type: "boolean", short: "s" },
  });
  if (positionals.length === 0) requireWords("inspect", positionals, ["IMAGE"]);
  const root = await openBuildRoot(settings);
  const details = [];
  for (const name of positionals) details.push(await imageDetails(root, await requireImage(root, name)));
  if (values.format === undefined) print(JSON.stringify(details, null, 4));
  else for (const detail of details) print(renderTemplate(values.format, detail));
  return 0;
};
