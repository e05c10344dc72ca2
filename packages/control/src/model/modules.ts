import { LongshoreError, type ModuleKind } from "@longshore/contract";
import { invalidScript, notServed } from "../api/errors.js";
import { sha256 } from "./ids.js";

/** A module as uploaded. */
export interface UploadedModule {
  readonly name: string;
  readonly kind: ModuleKind;
  readonly bytes: Uint8Array;
  /** Hex SHA-256 of the bytes. */
  readonly digest: string;
}

const KIND_OF_TYPE: Readonly<Record<string, ModuleKind>> = {
  "application/javascript+module": "esModule",
  "application/javascript": "commonJsModule",
  "text/javascript": "commonJsModule",
  "application/wasm": "wasm",
  "application/octet-stream": "data",
  "text/plain": "text",
  "application/json": "json",
};

/** Nothing here reads them yet. */
const IGNORED_TYPES: ReadonlySet<string> = new Set(["application/source-map"]);

/** How a part of this content type is loaded; `undefined` for one that is not part of the program. Errors: `INVALID_INPUT`, `UNSUPPORTED`. */
export function moduleKind(name: string, contentType: string): ModuleKind | undefined {
  const type = (contentType.split(";")[0] ?? "").trim().toLowerCase();
  if (IGNORED_TYPES.has(type)) return undefined;
  if (type.startsWith("text/x-python")) throw notServed(`Python (module "${name}")`);
  const kind = Object.hasOwn(KIND_OF_TYPE, type) ? KIND_OF_TYPE[type] : undefined;
  if (kind === undefined) {
    throw new LongshoreError(
      "INVALID_INPUT",
      `Module "${name}" has the content type "${contentType}", which says nothing about how to load it.`,
      {
        hint: `Use one of ${Object.keys(KIND_OF_TYPE).join(", ")}.`,
      },
    );
  }
  return kind;
}

/** The modules of an upload's form; the parts in `except` are not modules. Errors: `INVALID_INPUT`, `UNSUPPORTED`. */
export async function readModules(form: FormData, except: ReadonlySet<string>): Promise<UploadedModule[]> {
  const modules = new Map<string, UploadedModule>();
  for (const [name, value] of form) {
    if (except.has(name)) continue;
    if (typeof value === "string") throw invalidScript(`The upload's part "${name}" is not a module: it has no file name.`);
    const kind = moduleKind(name, value.type);
    if (kind === undefined) continue;
    if (modules.has(name)) throw invalidScript(`The upload has two modules named "${name}".`);
    const bytes = new Uint8Array(await value.arrayBuffer());
    modules.set(name, { name, kind, bytes, digest: sha256(bytes) });
  }
  return [...modules.values()];
}

/** A digest over a version's modules: their names, kinds and content. */
export function modulesEtag(modules: readonly { name: string; kind: ModuleKind; digest: string }[]): string {
  return sha256(JSON.stringify(modules.map((each) => [each.name, each.kind, each.digest])));
}
