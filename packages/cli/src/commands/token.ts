import { LongshoreError, SCOPE_AREAS } from "@longshore/contract";
import { dataDirectory, type Presence, readPresence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "../api.js";
import { type Command, type Output, text, type Values } from "../command.js";
import { momentOf } from "../moments.js";
import { s3Keys } from "../s3-keys.js";

const token = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  status: z.string(),
  issued_on: z.string(),
  expires_on: z.string().optional(),
});
type Token = z.infer<typeof token>;

export const tokenCommand: Command = {
  name: "token",
  summary: "API tokens with less rights than the owner's: token create|list|revoke",
  help: `Usage: longshore token create --name <name> --scopes <scope>[,…] [--expires <time>]
       longshore token list
       longshore token revoke <id or name>

Tokens for people, CI and S3 clients. A token is shown once, by "create"; what is stored of it opens nothing. A revoked one is refused at once, with
the registry passwords and tails that were got with it.

  --scopes       <area>:read or <area>:write (which includes read), with one of
                 ${SCOPE_AREAS.join(", ")};
                 or all, read, deploy (what "wrangler deploy" needs)
  --expires      30d, 12h, 15m, or a time such as 2027-01-31T12:00:00Z; default never
  --data <dir>   the installation's data directory
  --json         print JSON; of "create" the whole token

Examples:
  longshore token create --name ci --scopes deploy --expires 90d
  CLOUDFLARE_API_TOKEN=$(longshore token create --name logs --scopes tail:read,workers:read) longshore tail hello
  longshore token revoke ci`,
  words: 2,
  options: {
    data: { type: "string" },
    json: { type: "boolean" },
    name: { type: "string" },
    scopes: { type: "string" },
    expires: { type: "string" },
  },
  async run(values, [action, which, ...more], output) {
    const run = action === undefined ? undefined : ACTIONS[action];
    if (run === undefined || more.length > 0) {
      throw new LongshoreError("INVALID_INPUT", `"longshore token ${[action, which, ...more].join(" ").trim()}" is not a command.`, {
        hint: 'See "longshore token --help".',
      });
    }
    await run(() => readPresence(dataDirectory(text(values, "data"))), values, which, output);
    return 0;
  },
};

type Action = (presence: () => Presence, values: Values, which: string | undefined, output: Output) => Promise<void>;

const ACTIONS: Readonly<Record<string, Action>> = {
  async create(presence, values, _which, output) {
    const name = required(values, "name");
    const expires = text(values, "expires");
    const body = {
      name,
      scopes: required(values, "scopes")
        .split(",")
        .map((each) => each.trim()),
      ...(expires === undefined ? {} : { expires_on: new Date(momentOf(expires, "ahead", Date.now())).toISOString() }),
    };
    const created = await callApi(presence(), "POST", "/tokens", token.extend({ value: z.string() }), body);
    if (values.json === true) output.print(JSON.stringify(created, undefined, 2));
    else {
      output.note(`Token "${created.name}" (${created.id}) may: ${created.scopes.join(", ")}. It is not shown again.`);
      if (created.scopes.some((scope) => /^(r2|all):/.test(scope))) {
        const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = s3Keys(created.id, created.value);
        output.note(`As an S3 key: AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY}`);
      }
      output.print(created.value);
    }
  },

  async list(presence, values, _which, output) {
    const all = await callApi(presence(), "GET", LIST, z.array(token));
    if (values.json === true) output.print(JSON.stringify(all, undefined, 2));
    else if (all.length === 0) output.note('There is no token but the owner\'s, which "longshore env" prints.');
    else for (const each of all) output.print(line(each));
  },

  async revoke(presence, values, which, output) {
    if (which === undefined) throw new LongshoreError("INVALID_INPUT", "Say which token: longshore token revoke <id or name>.");
    const there = presence();
    const found = (await callApi(there, "GET", LIST, z.array(token))).filter(({ id, name }) => id === which || name === which);
    const [first, second] = found;
    if (first === undefined) {
      throw new LongshoreError("NOT_FOUND", `There is no token ${JSON.stringify(which)}.`, {
        hint: '"longshore token list" shows those there are.',
      });
    }
    if (second !== undefined) {
      throw new LongshoreError("CONFLICT", `${found.length} tokens have the name ${JSON.stringify(which)}.`, {
        hint: `Name one by its id: ${found.map(({ id }) => id).join(", ")}.`,
      });
    }
    await callApi(there, "DELETE", `/tokens/${first.id}`, z.unknown());
    if (values.json === true) output.print(JSON.stringify({ id: first.id, name: first.name }));
    else output.note(`Token "${first.name}" (${first.id}) is revoked.`);
  },
};

/** More than anybody has. */
const LIST = "/tokens?per_page=1000";

function line({ id, name, scopes, status, expires_on }: Token): string {
  const until = expires_on === undefined ? "" : `, ${status === "expired" ? "expired" : "until"} ${expires_on}`;
  return `${id}  ${name}  ${scopes.join(",")}${until}`;
}

function required(values: Values, name: string): string {
  const value = text(values, name);
  if (value !== undefined) return value;
  throw new LongshoreError("INVALID_INPUT", `A token needs --${name}.`, { hint: 'See "longshore token --help".' });
}
