import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { tailFilters } from "../model/tail-filters.js";
import type { Services } from "../services/services.js";
import type { Tail } from "../services/tails.js";

const body = z.looseObject({ filters: tailFilters.nullish() });

/** Tails: whoever begins one gets an address to connect to. */
export function tails({ store, tails }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/tails", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      return ok(tails.of(head.name).map((each) => view(each, c.req.url)));
    })
    .post("/workers/scripts/:script/tails", async (c) => {
      const { filters } = await readJson(c.req.raw, body);
      return ok(view(await tails.begin(c.req.param("script"), filters ?? [], c.get("caller").tokenId), c.req.url));
    })
    .delete("/workers/scripts/:script/tails/:tail", async (c) => {
      await store.head(c.req.param("script"));
      tails.end(c.req.param("tail"));
      return ok(null);
    });
}

function view({ id, expiresAt }: Tail, requestUrl: string): Record<string, unknown> {
  const url = new URL(`/tails/${id}`, requestUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return { id, url: url.href, expires_at: new Date(expiresAt).toISOString() };
}
