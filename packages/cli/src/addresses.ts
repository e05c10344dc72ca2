import type { Presence } from "@longshore/server";
import { z } from "zod";
import { callApi } from "./api.js";

const domains = z.array(z.object({ hostname: z.string(), service: z.string(), enabled: z.boolean() }));
const scripts = z.array(z.object({ id: z.string(), subdomain: z.object({ enabled: z.boolean() }) }));

/** Where a Worker is served. */
export interface Address {
  readonly worker: string;
  readonly url: string;
}

/** What the API says of Workers, as it is, and the addresses that follow from it. Errors: those of {@link callApi}. */
export async function workersAndAddresses(presence: Presence): Promise<{ workers: z.infer<typeof scripts>; addresses: Address[] }> {
  const [workers, hosts] = await Promise.all([
    callApi(presence, "GET", "/workers/scripts", scripts),
    callApi(presence, "GET", "/workers/domains", domains),
  ]);
  const addresses = [
    ...workers.filter(({ subdomain }) => subdomain.enabled).map(({ id }) => ({ worker: id, url: presence.edgeUrl.replace("<name>", id) })),
    ...hosts
      .filter(({ enabled }) => enabled)
      .map(({ hostname, service }) => ({
        worker: service,
        url: (presence.edgeTlsUrl ?? presence.edgeUrl).replace(/<name>[^:]*/, hostname),
      })),
  ];
  return { workers, addresses };
}
