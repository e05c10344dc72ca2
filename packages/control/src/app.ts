import { LongshoreError, toLongshoreError } from "@longshore/contract";
import { type Context, Hono } from "hono";
import { authenticated } from "./api/access.js";
import { containersFailure, failure } from "./api/envelope.js";
import type { Log } from "./options.js";
import { accountAddresses, scriptAddresses, zones } from "./routes/addresses.js";
import { analytics } from "./routes/analytics.js";
import { assetFiles, assetSessions } from "./routes/assets.js";
import { containers } from "./routes/containers/index.js";
import { databaseFiles, databaseTransfers } from "./routes/database-transfers.js";
import { databases } from "./routes/databases.js";
import { deployments } from "./routes/deployments.js";
import { durableObjects } from "./routes/durable-objects.js";
import { eventSubscriptions } from "./routes/event-subscriptions.js";
import { identity } from "./routes/identity.js";
import { kvNamespaces } from "./routes/kv-namespaces.js";
import { kvValues } from "./routes/kv-values.js";
import { queues } from "./routes/queues.js";
import { r2Buckets } from "./routes/r2-buckets.js";
import { r2Objects } from "./routes/r2-objects.js";
import { r2Products } from "./routes/r2-products.js";
import { r2Settings } from "./routes/r2-settings.js";
import { scripts } from "./routes/scripts.js";
import { secretStores } from "./routes/secret-stores.js";
import { secrets } from "./routes/secrets.js";
import { services as servicesRoutes } from "./routes/services.js";
import { settings } from "./routes/settings.js";
import { subdomain } from "./routes/subdomain.js";
import { tails } from "./routes/tails.js";
import { tokens } from "./routes/tokens.js";
import { triggers } from "./routes/triggers.js";
import { versions } from "./routes/versions.js";
import type { Services } from "./services/services.js";

const BASE = "/client/v4";
const CONTAINERS = /^\/client\/v4\/accounts\/[^/]+\/(?:containers|cloudchamber)(?:\/|$)/;

/** The API: each route file serves one noun of the URL, relative to the account. */
export function createApp(services: Services): Hono {
  const app = new Hono();
  app.route(BASE, assetFiles(services));
  app.route(BASE, databaseTransfers(services));
  app.use(`${BASE}/*`, authenticated(services.options, BASE));
  app.route(BASE, identity(services));
  app.route(BASE, analytics(services));
  app.route(BASE, zones(services));
  const account = new Hono();
  for (const routes of [
    scripts,
    assetSessions,
    servicesRoutes,
    versions,
    deployments,
    settings,
    secrets,
    subdomain,
    triggers,
    scriptAddresses,
    accountAddresses,
    tails,
    durableObjects,
    kvNamespaces,
    kvValues,
    databases,
    databaseFiles,
    r2Buckets,
    r2Settings,
    r2Products,
    r2Objects,
    secretStores,
    queues,
    eventSubscriptions,
    containers,
    tokens,
  ]) {
    account.route("/", routes(services));
  }
  app.route(`${BASE}/accounts/:account`, account);
  app.notFound((c) => fail(c, notServedHere(c), services.options.log));
  app.onError((error, c) => fail(c, error, services.options.log));
  return app;
}

function notServedHere(c: Context): LongshoreError {
  const path = c.req.path.startsWith(BASE) ? c.req.path.slice(BASE.length) : c.req.path;
  return new LongshoreError("NOT_FOUND", `Longshore does not serve ${c.req.method} ${path} yet.`);
}

/** The one place where an error becomes an answer. */
function fail(c: Context, thrown: unknown, log: Log): Response {
  const error = toLongshoreError(thrown, `${c.req.method} ${c.req.path}`);
  if (error.code === "INTERNAL") log.error("a request failed", { method: c.req.method, path: c.req.path, error: thrown });
  return CONTAINERS.test(c.req.path) ? containersFailure(error) : failure(error);
}
