import { Hono } from "hono";
import type { Services } from "../../services/services.js";
import { applications } from "./applications.js";
import { dash } from "./dash.js";
import { imagePreparations } from "./image-preparations.js";
import { instances } from "./instances.js";
import { me } from "./me.js";
import { registries } from "./registries.js";
import { rollouts } from "./rollouts.js";

/** The containers API, which has clients of its own: see `containersFailure` for how its errors travel. */
export function containers(services: Services): Hono {
  const api = new Hono();
  for (const routes of [me, applications, rollouts, dash, instances, imagePreparations, registries])
    api.route("/containers", routes(services));
  return api;
}
