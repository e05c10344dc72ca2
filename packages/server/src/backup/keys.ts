import { randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { LongshoreError, openText, sealText } from "@longshore/contract";
import { z } from "zod";

/** scrypt's parameters as OWASP recommends them for passwords: 128 MiB of memory, about half a second. */
const COST = { N: 2 ** 17, r: 8, p: 1 };
const KEY_BYTES = 32;
const CONTEXT = ["backup", "identity.json"];

const sealed = z.object({
  kdf: z.literal("scrypt"),
  N: z
    .number()
    .int()
    .max(2 ** 20),
  r: z.number().int().max(32),
  p: z.number().int().max(16),
  salt: z.string(),
  sealed: z.string(),
});

/** The installation's keys, as JSON that opens with the passphrase alone. */
export async function sealIdentity(identity: string, passphrase: string): Promise<string> {
  const salt = randomBytes(16).toString("base64url");
  return JSON.stringify({ kdf: "scrypt", ...COST, salt, sealed: sealText(await derive(passphrase, { ...COST, salt }), CONTEXT, identity) });
}

/** Errors: `INVALID_INPUT` when the passphrase is not the right one. */
export async function openIdentity(text: string, passphrase: string): Promise<string> {
  const { sealed: content, ...parameters } = sealed.parse(JSON.parse(text));
  const key = await derive(passphrase, parameters);
  try {
    return openText(key, CONTEXT, content);
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", "The passphrase does not open the backup's keys.", { cause });
  }
}

async function derive(passphrase: string, { salt, N, r, p }: { salt: string; N: number; r: number; p: number }): Promise<Buffer> {
  const options = { N, r, p, maxmem: 256 * N * r };
  return await promisify<string, Buffer, number, typeof options, Buffer>(scrypt)(
    passphrase,
    Buffer.from(salt, "base64url"),
    KEY_BYTES,
    options,
  );
}
