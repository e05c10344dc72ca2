import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import { ok } from "../api/envelope.js";
import { domainId, domainView, routeView, zoneView } from "../model/addresses.js";
import type { CustomDomain } from "../model/script-head.js";
import { domainNotFound } from "../services/addresses.js";
import type { Services } from "../services/services.js";

const origin = z.looseObject({
  hostname: z.string().max(255),
  zone_id: z.string().max(100).nullish(),
  zone_name: z.string().max(255).nullish(),
  enabled: z.boolean().nullish(),
  previews_enabled: z.boolean().nullish(),
});
const origins = z.array(origin).max(500);
const records = z.looseObject({ origins: origins.nullish() });
const routeList = z.array(z.union([z.string(), z.looseObject({ pattern: z.string() }).transform(({ pattern }) => pattern)])).max(1000);

/** A script's custom domains and routes. */
export function scriptAddresses({ store, addresses }: Services): Hono {
  return new Hono()
    .get("/workers/scripts/:script/routes", async (c) => {
      const { value: head } = await store.head(c.req.param("script"));
      return ok((head.routes ?? []).map((pattern) => routeView(head.name, pattern)));
    })
    .put("/workers/scripts/:script/routes", async (c) => {
      const head = await addresses.setRoutes(c.req.param("script"), await readJson(c.req.raw, routeList));
      return ok((head.routes ?? []).map((pattern) => routeView(head.name, pattern)));
    })
    .put("/workers/scripts/:script/domains/records", async (c) => {
      const domains = ((await readJson(c.req.raw, records)).origins ?? []).map(customDomain);
      const head = await addresses.setDomains(c.req.param("script"), domains);
      return ok((head.domains ?? []).map((each) => domainView(head.name, each)));
    })
    .post("/workers/scripts/:script/domains/changeset", async (c) => {
      const script = c.req.param("script");
      const { added, removed, updated } = await addresses.planDomains(script, (await readJson(c.req.raw, origins)).map(customDomain));
      return ok({
        added: added.map((each) => domainView(script, each)),
        removed: removed.map((each) => domainView(script, each)),
        updated: updated.map(({ domain, modified }) => ({ ...domainView(script, domain), modified })),
        conflicting: [],
      });
    });
}

/** All custom domains and routes of the account. */
export function accountAddresses({ store, addresses }: Services): Hono {
  const all = async (query: (name: string) => string | undefined) =>
    (await addresses.domains())
      .filter(({ script, domain }) => (query("service") ?? script) === script && (query("hostname") ?? domain.hostname) === domain.hostname)
      .map(({ script, domain }) => domainView(script, domain));
  const app = new Hono().get("/workers/routes", async () => ok(await allRoutes(store)));
  for (const path of ["/workers/domains/records", "/workers/domains"]) {
    app
      .get(path, async (c) => ok(await all((name) => c.req.query(name))))
      .get(`${path}/:id`, async (c) => {
        const id = c.req.param("id");
        const found = (await addresses.domains()).find(({ domain }) => domainId(domain.hostname) === id);
        if (found === undefined) throw domainNotFound(id);
        return ok(domainView(found.script, found.domain));
      })
      .delete(`${path}/:id`, async (c) => {
        await addresses.removeDomain(c.req.param("id"));
        return ok(null);
      });
  }
  return app;
}

/** Zones, outside of the account. Any name is one; all routes are listed in each, since clients look for those that another script has. */
export function zones({ store, options }: Services): Hono {
  return new Hono()
    .get("/zones", (c) => {
      const name = c.req.query("name");
      const result = name === undefined ? [] : [zoneView(name.toLowerCase(), options.accountId)];
      return ok(result, { page: 1, per_page: 20, count: result.length, total_count: result.length });
    })
    .get("/zones/:zone/workers/routes", async () => ok(await allRoutes(store)));
}

async function allRoutes(store: Services["store"]): Promise<unknown[]> {
  return (await store.liveHeads()).flatMap((head) => (head.routes ?? []).map((pattern) => routeView(head.name, pattern)));
}

function customDomain({ hostname, zone_id, zone_name, enabled, previews_enabled }: z.infer<typeof origin>): CustomDomain {
  return {
    hostname: hostname.toLowerCase().replace(/\.$/, ""),
    ...(zone_id ? { zoneId: zone_id } : {}),
    ...(zone_name ? { zoneName: zone_name } : {}),
    enabled: enabled ?? true,
    previewsEnabled: previews_enabled ?? false,
  };
}
