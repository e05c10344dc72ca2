import { createHash, randomBytes, randomUUID } from "node:crypto";

/**
 * A new version id. Clients tag images with its first eight digits, and a name followed by `:` and digits only reads as host and port:
 * so those are never all decimal.
 */
export function newVersionId(uuid: () => string = randomUUID): string {
  for (;;) {
    const id = uuid();
    if (!/^\d{8}-/.test(id)) return id;
  }
}

/** 32 lower-case hex digits. */
export function newHexId(): string {
  return randomBytes(16).toString("hex");
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Worker names: they become host names and parts of bucket keys. */
export const SCRIPT_NAME_PATTERN = /^[a-z0-9_][a-z0-9_-]{0,62}$/;
