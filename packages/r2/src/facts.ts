import type { HttpFields, ObjectFacts } from "@longshore/contract";
import { R2Error } from "./errors.js";

/** R2's limit for custom metadata, in bytes; headers get as much once more. */
const METADATA_BYTES = 8192;

export const STORAGE_CLASSES = ["Standard", "InfrequentAccess"] as const;

/** Errors: `MetadataTooLarge`, `InvalidArgument`. */
export function checkFacts({ httpFields, customFields, storageClass }: ObjectFacts): void {
  const bytes = (texts: readonly string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes(Object.entries(customFields).flat()) > METADATA_BYTES) throw new R2Error("MetadataTooLarge");
  if (bytes(Object.values(httpFields).filter((each) => typeof each === "string")) > METADATA_BYTES) throw new R2Error("MetadataTooLarge");
  if (storageClass !== undefined) checkedStorageClass(storageClass);
}

/** Errors: `InvalidArgument`. */
export function checkedStorageClass(name: string): string {
  if ((STORAGE_CLASSES as readonly string[]).includes(name)) return name;
  throw new R2Error("InvalidArgument", `There is no storage class ${JSON.stringify(name)}.`, {
    hint: `Use ${STORAGE_CLASSES.join(" or ")}.`,
  });
}

/** Fields that are there, without those that are empty. */
export function definedFields(fields: { readonly [name in keyof HttpFields]?: HttpFields[name] | undefined }): HttpFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as HttpFields;
}
