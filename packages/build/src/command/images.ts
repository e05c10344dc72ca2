import { LongshoreError } from "@longshore/contract";
import { type BuildRoot, openBuildRoot } from "../build-root.js";
import { familiarName, fullName, parseReference, repositoryOf } from "../reference.js";
import { imageSize, listImages } from "../storage.js";
import { renderTemplate } from "../template.js";
import { print, readFlags, type Verb } from "./verb.js";

/** `images [--filter reference=PATTERN] [--format TEMPLATE] [-q] [NAME]`: images that have a name. */
export const images: Verb = async (args, { settings }) => {
  const { values, positionals } = readFlags("images", args, {
    all: { type: "boolean", short: "a" },
    filter: { type: "string", short: "f", multiple: true },
    format: { type: "string" },
    "no-trunc": { type: "boolean" },
    quiet: { type: "boolean", short: "q" },
  });
  const root = await openBuildRoot(settings);
  const shown = await rows(root, values["no-trunc"] === true, matcher(values.filter ?? [], positionals[0]));
  if (values.quiet === true) {
    for (const id of new Set(shown.map((row) => row.ID))) print(id);
  } else if (values.format !== undefined && values.format !== "table") {
    for (const row of shown) print(renderTemplate(values.format, row));
  } else {
    print(
      table(
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"],
        shown.map((row) => [row.Repository, row.Tag, row.ID, row.CreatedAt, row.Size]),
      ),
    );
  }
  return 0;
};

async function rows(root: BuildRoot, full: boolean, matches: (name: string) => boolean) {
  const all = (await listImages(root)).sort((a, b) => b.created.localeCompare(a.created));
  const shown = [];
  for (const image of all) {
    const names = image.names.filter((name) => !name.includes("@") && matches(name));
    if (names.length === 0) continue;
    const size = await imageSize(root, image);
    for (const name of names) {
      const familiar = familiarName(name);
      const colon = familiar.lastIndexOf(":");
      shown.push({
        Repository: familiar.slice(0, colon),
        Tag: familiar.slice(colon + 1),
        ID: full ? `sha256:${image.id}` : image.id.slice(0, 12),
        CreatedAt: image.created,
        Size: `${(size / 1e6).toPrecision(3)}MB`,
      });
    }
  }
  return shown;
}

/** `reference=` patterns: `*` stands for anything but a slash. Without a tag in the pattern any tag matches. */
function matcher(filters: readonly string[], name: string | undefined): (full: string) => boolean {
  const patterns = filters.map((filter) => {
    if (filter.startsWith("reference=")) return toPattern(filter.slice("reference=".length));
    throw new LongshoreError("UNSUPPORTED", `The filter "${filter}" is not known here.`, { hint: "There is reference=PATTERN." });
  });
  if (name !== undefined) patterns.push(toPattern(/:[^/]+$/.test(name) ? fullName(name) : repositoryOf(parseReference(name))));
  return (full) => patterns.every((pattern) => pattern.test(familiarName(full)) || pattern.test(full));
}

function toPattern(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  return new RegExp(`^${source}(?::[^/:]+)?$`);
}

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
      .join("")
      .trimEnd();
  return [head, ...body].map(line).join("\n");
}
