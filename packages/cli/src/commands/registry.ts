import { readFileSync } from "node:fs";
import { LongshoreError } from "@longshore/contract";
import { dataDirectory, type Presence, readPresence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "../api.js";
import { type Command, type Output, text, type Values } from "../command.js";

const registry = z.looseObject({
  domain: z.string(),
  kind: z.string(),
  public_key: z.string().optional(),
  private_credential: z.object({ store_id: z.string(), secret_name: z.string() }).optional(),
  has_credentials: z.boolean(),
  has_ca: z.boolean(),
  insecure: z.boolean().optional(),
  mirror: z.string().optional(),
});
type Registry = z.infer<typeof registry>;

export const registryCommand: Command = {
  name: "registry",
  summary: "registries that images are pulled from: registry add|list|remove",
  help: `Usage: longshore registry add <host> [options]
       longshore registry list [--json]
       longshore registry remove <host>

What is needed to pull images from registries other than the installation's own. It is used from the next pull on, and kept encrypted. Adding a registry
again changes what is given, and keeps the rest. "wrangler containers registries" shows and removes the same.

  --username <name>             shown to the registry, or to whom it names for tokens
  --password-file <file>        its password; "-" reads standard input
  --access-key-id <id>          of an Amazon ECR registry: an AWS access key,
  --secret-key-file <file>      and its secret access key; "-" reads standard input
  --region <name>               where its passwords are made, if its name does not say it,
  --endpoint <url>              and the service that makes them, if it is another than Amazon's
  --ca <file>                   PEM certificates that are trusted for this registry
  --insecure                    HTTPS with any certificate, or plain HTTP
  --mirror <host>               a registry with the same repositories, asked first; for a machine without Internet, add docker.io with one
  --data <dir>                  the installation's data directory

Examples:
  longshore registry add ghcr.io --username me --password-file ./token
  longshore registry add docker.io --mirror registry.example:5000
  longshore registry list`,
  words: 2,
  options: {
    data: { type: "string" },
    json: { type: "boolean" },
    username: { type: "string" },
    "password-file": { type: "string" },
    "access-key-id": { type: "string" },
    "secret-key-file": { type: "string" },
    region: { type: "string" },
    endpoint: { type: "string" },
    ca: { type: "string" },
    insecure: { type: "boolean" },
    mirror: { type: "string" },
  },
  async run(values, [action, host, ...more], output) {
    const run = action === undefined ? undefined : ACTIONS[action];
    if (run === undefined || more.length > 0) {
      throw new LongshoreError("INVALID_INPUT", `"longshore registry ${[action, host, ...more].join(" ").trim()}" is not a command.`, {
        hint: 'See "longshore registry --help".',
      });
    }
    await run(() => readPresence(dataDirectory(text(values, "data"))), values, host, output);
    return 0;
  },
};

type Action = (presence: () => Presence, values: Values, host: string | undefined, output: Output) => Promise<void>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async add(presence, values, host, output) {
    const body = settingsOf(values);
    const added = await callApi(presence(), "PUT", pathOf(host), registry, body);
    output.print(values.json === true ? JSON.stringify(added) : line(added));
  },

  async list(presence, values, _host, output) {
    const all = await callApi(presence(), "GET", "/containers/registries", z.array(registry));
    if (values.json === true) output.print(JSON.stringify(all, undefined, 2));
    else if (all.length === 0) output.note("No other registry is set; public images need none.");
    else for (const each of all) output.print(line(each));
  },

  async remove(presence, values, host, output) {
    const removed = await callApi(presence(), "DELETE", pathOf(host), z.looseObject({ domain: z.string() }));
    if (values.json === true) output.print(JSON.stringify(removed));
    else output.note(`The registry ${removed.domain} is removed.`);
  },
};

/** What the options say. Errors: `INVALID_INPUT`. */
export function settingsOf(values: Values): Record<string, unknown> {
  const key = text(values, "access-key-id");
  const username = text(values, "username");
  if (key !== undefined && username !== undefined) {
    throw new LongshoreError("INVALID_INPUT", "A registry has --username or --access-key-id, not both.");
  }
  const file = key === undefined ? "password-file" : "secret-key-file";
  const user = key ?? username;
  const secret = text(values, file);
  if ((user === undefined) !== (secret === undefined)) {
    throw new LongshoreError("INVALID_INPUT", `A registry needs both a name (--username or --access-key-id) and --${file}, or neither.`);
  }
  const ca = text(values, "ca");
  const settings = {
    ...(key === undefined ? {} : { kind: "ECR" }),
    user,
    secret: secret === undefined ? undefined : readText(secret).trimEnd(),
    ca: ca === undefined ? undefined : readText(ca),
    region: text(values, "region"),
    endpoint: text(values, "endpoint"),
    mirror: text(values, "mirror"),
    insecure: values.insecure === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new LongshoreError("INVALID_INPUT", `The file ${file} cannot be read.`, { cause });
  }
}

function pathOf(host: string | undefined): string {
  if (host === undefined)
    throw new LongshoreError("INVALID_INPUT", "Say which registry, by its host name: docker.io, registry.example:5000.");
  return `/containers/registries/${encodeURIComponent(host)}`;
}

function line({ domain, kind, public_key, private_credential, has_credentials, has_ca, insecure, mirror }: Registry): string {
  const where = private_credential === undefined ? "" : `, in the Secrets Store as ${private_credential.secret_name}`;
  const facts = [
    ...(has_credentials ? [`${kind === "ECR" ? "access key" : "user"} ${public_key ?? ""}${where}`] : []),
    ...(mirror === undefined ? [] : [`mirror ${mirror}`]),
    ...(has_ca ? ["certificates of its own"] : []),
    ...(insecure === true ? ["insecure"] : []),
  ];
  return `${domain}  ${facts.join("; ") || "no credentials"}`;
}
