import {
  type Engine,
  type ExitReason,
  type LogQuery,
  type LogSource,
  LongshoreError,
  type Tenant,
  type UsageSource,
} from "@longshore/contract";
import type { Answer, Exchange, Route } from "./router.js";
import { writeTo } from "./write.js";

/**
 * The engine as the server on the same machine calls it: the {@link Engine} interface over a unix socket that only root and the server can open.
 * Its callers are ours, so bodies are taken at their word, but for what becomes the name of a file: the server is not root.
 */
export function adminRoutes(engine: Engine & LogSource & UsageSource): Route[] {
  return [
    {
      method: "PUT",
      path: /^\/tenants\/([^/]+)$/,
      handle: async ({ body }) => {
        await engine.putTenant(checkedTenant(await body()));
        return { status: 204 };
      },
    },
    {
      method: "DELETE",
      path: /^\/tenants\/([^/]+)$/,
      handle: async ({ parameters: [id = ""] }) => {
        await engine.deleteTenant(id);
        return { status: 204 };
      },
    },
    {
      method: "PUT",
      path: /^\/tenants\/([^/]+)\/gate$/,
      handle: async ({ parameters: [id = ""], body }) => {
        await engine.setGate(id, ((await body()) as { shut: boolean }).shut);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: /^\/images\/prepare$/,
      handle: async ({ body }) => {
        const { image, maxBytes } = (await body()) as { image: string; maxBytes?: number };
        return { status: 200, body: await engine.prepareImage(image, maxBytes) };
      },
    },
    {
      method: "POST",
      path: /^\/images\/resolve$/,
      handle: async ({ body }) => ({ status: 200, body: await engine.resolveImage(((await body()) as { image: string }).image) }),
    },
    {
      method: "GET",
      path: /^\/instances$/,
      handle: async ({ query }) => ({ status: 200, body: await engine.instances(query.get("tenant") ?? undefined) }),
    },
    {
      method: "GET",
      path: /^\/tenants\/([^/]+)\/failures$/,
      handle: async ({ parameters: [id = ""] }) => ({ status: 200, body: await engine.failures(id) }),
    },
    {
      method: "POST",
      path: /^\/instances\/([^/]+)\/stop$/,
      handle: async ({ parameters: [id = ""], body }) => {
        const { reason, graceMs } = (await body()) as { reason: ExitReason; graceMs: number };
        await engine.stopInstance(id, reason, graceMs);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: /^\/instances\/([^/]+)\/freeze$/,
      handle: async ({ parameters: [id = ""], body }) => {
        await engine.freezeInstance(id, ((await body()) as { reclaim: boolean }).reclaim);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: /^\/instances\/([^/]+)\/thaw$/,
      handle: async ({ parameters: [id = ""] }) => {
        await engine.thawInstance(id);
        return { status: 204 };
      },
    },
    { method: "GET", path: /^\/egress$/, handle: async () => ({ status: 200, body: await engine.egressUsage() }) },
    { method: "GET", path: /^\/logs$/, handle: async (exchange) => await sendLines(engine, exchange) },
    {
      method: "GET",
      path: /^\/instances\/([^/]+)\/logs$/,
      handle: async ({ parameters: [id = ""], query }) => ({ status: 200, body: await engine.logs(id, Number(query.get("tail") ?? 100)) }),
    },
  ];
}

/** What Workers may be called. */
const TENANT_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Errors: `INVALID_INPUT`. */
function checkedTenant(body: unknown): Tenant {
  const tenant = body as Tenant;
  if (typeof tenant.id === "string" && TENANT_ID.test(tenant.id)) return tenant;
  throw new LongshoreError("INVALID_INPUT", `${JSON.stringify(tenant.id)} cannot be the name of an application.`);
}

/** One JSON document per line, for as long as the reader wants them. */
async function sendLines(engine: LogSource, { query, response }: Exchange): Promise<Answer> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const lines = engine.readLogs(JSON.parse(query.get("query") ?? "{}") as LogQuery, gone.signal);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  for await (const line of lines) {
    if (response.destroyed) break;
    await writeTo(response, `${JSON.stringify(line)}\n`);
  }
  response.end();
  return { status: 200 };
}
