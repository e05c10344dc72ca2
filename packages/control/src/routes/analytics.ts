import { STATUS_OF_CODE } from "@longshore/contract";
import { Hono } from "hono";
import { z } from "zod";
import { readJson } from "../api/body.js";
import type { Services } from "../services/services.js";

const r2Usage = z.object({
  query: z.string().includes("r2StorageAdaptiveGroups"),
  variables: z.object({ filter: z.object({ bucketName: z.string() }) }),
});

const d1Insights = z.object({ query: z.string().includes("d1QueriesAdaptiveGroups") });
const NO_INSIGHTS = "D1 insights are not served by Longshore: it keeps no statistics of queries.";

/**
 * Cloudflare's numbers about the past day. Nothing is counted here, and a client that asks (as `wrangler d1 info` does) is told so. But how much is in an
 * R2 bucket (`wrangler r2 bucket info`) can be seen.
 */
export function analytics({ options }: Services): Hono {
  return new Hono().post("/graphql", async (c) => {
    const body = await readJson(c.req.raw, z.unknown());
    // `wrangler d1 insights` takes every JSON for an answer, and would say that there were no queries.
    if (d1Insights.safeParse(body).success) return new Response(NO_INSIGHTS, { status: STATUS_OF_CODE.UNSUPPORTED });
    const asked = r2Usage.safeParse(body);
    if (!asked.success) return Response.json({ data: null, errors: [{ message: "Longshore keeps no analytics." }] });
    const { objects, bytes } = await options.objects.usage(asked.data.variables.filter.bucketName);
    const max = { objectCount: objects, payloadSize: bytes, metadataSize: 0 };
    const groups = [{ max, dimensions: { datetime: new Date().toISOString() } }];
    return Response.json({ data: { viewer: { accounts: [{ r2StorageAdaptiveGroups: groups }] } }, errors: null });
  });
}
