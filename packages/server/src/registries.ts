import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import type { Registries, RegistrySettings } from "@longshore/engine";
import { z } from "zod";

/** What the configuration file may say about another registry. Passwords and certificates may be in files of their own. */
export const registriesSchema = z.record(
  z.string().regex(/^[A-Za-z0-9.-]+(:\d+)?$/, "must be a registry's host name, with its port if it has one"),
  z
    .strictObject({
      username: z.string().min(1).optional(),
      password: z.string().optional(),
      /** A file with the password, read by the engine. */
      passwordFile: z.string().optional(),
      /** A file with PEM certificates that are trusted for this registry. */
      ca: z.string().optional(),
      /** HTTPS with any certificate, or plain HTTP. */
      insecure: z.boolean().optional(),
      /** Host of a registry with the same repositories, asked first. */
      mirror: z.string().optional(),
    })
    .refine(({ password, passwordFile }) => password === undefined || passwordFile === undefined, "has both password and passwordFile")
    .refine(({ username, password, passwordFile }) => (username === undefined) === (password === undefined && passwordFile === undefined), {
      error: "needs a username and a password, or neither",
    }),
);

/** The settings with their files read. Errors: `INVALID_INPUT` naming the file. */
export function readRegistries(settings: z.infer<typeof registriesSchema>): Registries {
  const registries: Record<string, RegistrySettings> = {};
  for (const [host, { passwordFile, ca, password, username, insecure, mirror }] of Object.entries(settings)) {
    const secret = passwordFile === undefined ? password : readSetting(host, "passwordFile", passwordFile).trimEnd();
    registries[host] = {
      ...(username === undefined ? {} : { username }),
      ...(secret === undefined ? {} : { password: secret }),
      ...(ca === undefined ? {} : { ca: readSetting(host, "ca", ca) }),
      ...(insecure === undefined ? {} : { insecure }),
      ...(mirror === undefined ? {} : { mirror }),
    };
  }
  return registries;
}

function readSetting(host: string, name: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The file ${file}, named as "${name}" of the registry ${host}, cannot be read.`, { cause });
  }
}
