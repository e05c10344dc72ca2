import { openBuildRoot } from "../build-root.js";
import { parseReference } from "../reference.js";
import { fetchManifest } from "../registry-client.js";
import { print, readFlags, requireWords, type Verb } from "./verb.js";

/** `manifest inspect [-v] NAME`: the registry's manifest; with `-v`, its descriptor around it. Asks the registry, never the storage. */
export const manifestInspect: Verb = async (args, { settings }) => {
  const { values, positionals } = readFlags("manifest inspect", args, {
    verbose: { type: "boolean", short: "v" },
    insecure: { type: "boolean" },
  });
  requireWords("manifest inspect", positionals, ["NAME"]);
  const [name = ""] = positionals;
  const root = await openBuildRoot(settings);
  const { digest, mediaType, bytes } = await fetchManifest(root, parseReference(name));
  const manifest = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
  const kind = mediaType.startsWith("application/vnd.oci.") ? "OCIManifest" : "SchemaV2Manifest";
  const shown =
    values.verbose === true
      ? { Ref: name, Descriptor: { mediaType, digest, size: bytes.length }, Raw: bytes.toString("base64"), [kind]: manifest }
      : manifest;
  print(JSON.stringify(shown, null, 2));
  return 0;
};
