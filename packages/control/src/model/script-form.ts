import { invalidScript } from "../api/errors.js";
import { readModules, type UploadedModule } from "./modules.js";
import { parseUploadMetadata, type UploadMetadata } from "./upload-metadata.js";

export interface ScriptForm {
  readonly metadata: UploadMetadata;
  readonly modules: readonly UploadedModule[];
}

/** Reads an upload's form: the `metadata` part, and a part for each module. Errors: `INVALID_INPUT`, `UNSUPPORTED`. */
export async function parseScriptForm(form: FormData): Promise<ScriptForm> {
  const part = form.get("metadata");
  if (part === null) throw invalidScript("The upload has no metadata part.");
  const metadata = parseUploadMetadata(typeof part === "string" ? part : await part.text());
  return { metadata, modules: await readModules(form, new Set(["metadata"])) };
}
