import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import type { Registries, RegistryLookup, RegistrySettings } from "@longshore/engine";
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
      /** An AWS access key, in place of username and password: those of an Amazon registry are made with it, and expire. */
      accessKeyId: z.string().min(1).optional(),
      secretAccessKey: z.string().min(1).optional(),
      /** A file with the secret access key. */
      secretAccessKeyFile: z.string().optional(),
      /** Of a temporary access key. */
      sessionToken: z.string().min(1).optional(),
      /** The AWS region, where the registry's name does not say it. */
      region: z.string().min(1).optional(),
      /** Where passwords are made, when it is not `https://api.ecr.<region>.amazonaws.com/`. */
      endpoint: z.url({ protocol: /^https?$/ }).optional(),
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
    })
    .refine(({ secretAccessKey, secretAccessKeyFile }) => secretAccessKey === undefined || secretAccessKeyFile === undefined, {
      error: "has both secretAccessKey and secretAccessKeyFile",
    })
    .refine((each) => (each.accessKeyId === undefined) === (each.secretAccessKey === undefined && each.secretAccessKeyFile === undefined), {
      error: "needs an accessKeyId and a secretAccessKey, or neither",
    })
    .refine(({ accessKeyId, username }) => accessKeyId === undefined || username === undefined, "has both a username and an accessKeyId")
    .refine(
      ({ accessKeyId, sessionToken, region, endpoint }) => accessKeyId !== undefined || (sessionToken ?? region ?? endpoint) === undefined,
      { error: "has sessionToken, region or endpoint, which mean nothing without an accessKeyId" },
    ),
);

type OneRegistry = z.infer<typeof registriesSchema>[string];

/** The settings with their files read. Errors: `INVALID_INPUT` naming the file. */
export function readRegistries(settings: z.infer<typeof registriesSchema>): Registries {
  const registries: Record<string, RegistrySettings> = {};
  for (const [host, said] of Object.entries(settings)) {
    const { passwordFile, ca, password, username, insecure, mirror } = said;
    const secret = passwordFile === undefined ? password : readSetting(host, "passwordFile", passwordFile).trimEnd();
    registries[host] = {
      ...(username === undefined ? {} : { username }),
      ...(secret === undefined ? {} : { password: secret }),
      ...awsKey(host, said),
      ...(ca === undefined ? {} : { ca: readSetting(host, "ca", ca) }),
      ...(insecure === undefined ? {} : { insecure }),
      ...(mirror === undefined ? {} : { mirror }),
    };
  }
  return registries;
}

/** What the configuration file says of a registry wins over what was set with commands; credentials go together. */
export function mergedRegistries(file: Registries, stored: RegistryLookup): RegistryLookup {
  return async (host) => {
    const said = file[host];
    if (said?.username === undefined && said?.aws === undefined) return { ...(await stored(host)), ...said };
    const { username: _user, password: _password, aws: _key, ...how } = await stored(host);
    return { ...how, ...said };
  };
}

function awsKey(host: string, said: OneRegistry): Pick<RegistrySettings, "aws"> {
  const { accessKeyId, secretAccessKeyFile: file, sessionToken, region, endpoint } = said;
  const secretAccessKey = file === undefined ? said.secretAccessKey : readSetting(host, "secretAccessKeyFile", file).trimEnd();
  if (accessKeyId === undefined || secretAccessKey === undefined) return {};
  const aws = {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  return { aws };
}

function readSetting(host: string, name: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The file ${file}, named as "${name}" of the registry ${host}, cannot be read.`, { cause });
  }
}
