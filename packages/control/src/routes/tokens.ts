import { includesScopes, LongshoreError, parseScopes } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok, page } from "../api/envelope.js";
import type { Services } from "../services/services.js";
import type { ApiToken } from "../state/api-tokens.js";

const body = z.object({
  name: z.string().trim().min(1).max(120),
  scopes: z.array(z.string()).min(1),
  /** RFC 3339. */
  expires_on: z.iso.datetime({ offset: true }).nullish(),
});

/** The account's API tokens. What a token is, is told once: by the answer that creates it. */
export function tokens({ options, tails, shells, clock }: Services): Hono {
  const { tokens: all } = options;
  const find = async (id: string): Promise<ApiToken> => {
    const token = await all.find(id);
    if (token !== undefined) return token;
    throw new LongshoreError("NOT_FOUND", `There is no API token ${JSON.stringify(id)}.`, {
      hint: '"longshore token list" shows those there are.',
    });
  };
  return new Hono()
    .get("/tokens", async (c) =>
      page(
        (await all.list()).map((each) => view(each, clock())),
        (name) => c.req.query(name),
      ),
    )
    .post("/tokens", async (c) => {
      const { name, scopes: words, expires_on } = await readJson(c.req.raw, body);
      const scopes = parseScopes(words);
      const expiresAt = expires_on == null ? undefined : Date.parse(expires_on);
      if (expiresAt !== undefined && expiresAt <= clock()) throw new LongshoreError("INVALID_INPUT", `The time ${expires_on} has passed.`);
      const caller = c.get("caller");
      if (!includesScopes(caller.scopes, scopes)) {
        const hint = `It has ${caller.scopes.join(", ")}.`;
        throw new LongshoreError("FORBIDDEN", "A token cannot make one that may do more than itself.", { hint });
      }
      const { token, value } = await all.create(name, scopes, expiresAt);
      return ok({ ...view(token, clock()), value }, undefined, 201);
    })
    .get("/tokens/:token", async (c) => ok(view(await find(c.req.param("token")), clock())))
    .delete("/tokens/:token", async (c) => {
      const { id } = await find(c.req.param("token"));
      await all.revoke(id);
      tails.endOf(id);
      shells.endOf(id);
      return ok({ id });
    });
}

function view({ id, name, scopes, createdAt, expiresAt }: ApiToken, now: number): Record<string, unknown> {
  return {
    id,
    name,
    scopes,
    status: expiresAt !== undefined && expiresAt <= now ? "expired" : "active",
    issued_on: new Date(createdAt).toISOString(),
    ...(expiresAt === undefined ? {} : { expires_on: new Date(expiresAt).toISOString() }),
  };
}
