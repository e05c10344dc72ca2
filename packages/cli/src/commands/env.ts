import { dataDirectory, type Presence, readPresence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "../api.js";
import { type Command, text } from "../command.js";
import { s3Keys } from "../s3-keys.js";
import { wranglerEnvironment } from "../wrangler/environment.js";

export const envCommand: Command = {
  name: "env",
  summary: "print the environment for using wrangler yourself",
  help: `Usage: longshore env [--s3] [--data <dir>] [--json]

Prints the variables that make an unmodified wrangler talk to this installation; with --s3, those that make S3 clients use its R2 buckets. These
are the owner's: "longshore token create --scopes r2:read" makes keys that may less.

Examples:
  eval "$(longshore env)" && npx wrangler deploy
  eval "$(longshore env --s3)" && aws s3 ls`,
  options: { data: { type: "string" }, s3: { type: "boolean" }, json: { type: "boolean" } },
  async run(values, _words, output) {
    const data = dataDirectory(text(values, "data"));
    const presence = readPresence(data);
    const variables = values.s3 === true ? await s3Environment(presence) : wranglerEnvironment(data, presence);
    if (values.json === true) output.print(JSON.stringify(variables, undefined, 2));
    else for (const [name, value] of Object.entries(variables)) output.print(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
    return 0;
  },
};

/** The owner's key, as with R2: a token's id, and its SHA-256. */
async function s3Environment(presence: Presence): Promise<Record<string, string>> {
  const { id } = await callApi(presence, "GET", "/tokens/verify", z.object({ id: z.string() }));
  return {
    AWS_ENDPOINT_URL_S3: new URL(presence.apiUrl).origin,
    ...s3Keys(id, presence.token),
    AWS_REGION: "auto",
    R2_ACCOUNT_ID: presence.accountId,
  };
}
