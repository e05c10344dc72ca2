import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, LongshoreError } from "@longshore/contract";
import { z } from "zod";

/** Says what a directory is; in no data directory. */
export const MANIFEST_FILE = "longshore-backup.json";
export const SEALED_IDENTITY_FILE = "identity.sealed.json";

const manifest = z.object({
  format: z.literal(1),
  createdAt: z.string(),
  accountId: z.string(),
  files: z.number(),
  bytes: z.number(),
  databases: z.number(),
  encryptedKeys: z.boolean(),
});

export type Manifest = z.infer<typeof manifest>;

export async function writeManifest(directory: string, content: Manifest): Promise<void> {
  await writeFile(join(directory, MANIFEST_FILE), `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
}

/** Errors: `INVALID_INPUT` when the directory is no backup, or one of a newer Longshore. */
export async function readManifest(directory: string): Promise<Manifest> {
  const text = await readFile(join(directory, MANIFEST_FILE), "utf8").catch((cause: unknown) => {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new LongshoreError("INVALID_INPUT", `There is no backup in ${directory}: it has no ${MANIFEST_FILE}.`, { cause });
  });
  const parsed = manifest.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new LongshoreError("INVALID_INPUT", "The backup is of a form that this Longshore does not know.", {
    cause: parsed.error,
    hint: "Restore it with the version that made it, or a newer one.",
  });
}
