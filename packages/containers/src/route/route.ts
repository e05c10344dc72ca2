import { trackBody } from "../body.js";
import { ContainerError } from "../container-error.js";
import { bridge } from "../socket-bridge.js";
import { getContainer } from "../stubs.js";
import { type RouteOptions, routeTerms } from "./plan.js";
import { instanceName, ROUTER_NAME } from "./routed-container.js";
import type { Place } from "./router.js";

/** What a Worker sends requests to: as many instances as they need. */
export interface Route {
  fetch(request: Request): Promise<Response>;
}

/**
 * Interchangeable instances of a container, as many as there is work for: a request goes to the least loaded of those that run, a further one is started
 * when all are full, and those that are not needed go to sleep after `sleepAfter`. Right for any number of Workers that ask at once.
 * Throws a `TypeError` for options that make no sense. A request that finds no place in time is answered with status 503.
 *
 * @example
 * return route(env.BACKEND, { min: 1, max: 20, concurrency: 10 }).fetch(request);
 */
export function route<T extends Rpc.DurableObjectBranded | undefined>(
  binding: DurableObjectNamespace<T>,
  options: RouteOptions = {},
): Route {
  routeTerms(options);
  // The compiler loses itself in what a subclass's methods look like from afar; this one is there.
  const namespace = binding as unknown as DurableObjectNamespace<Routed>;
  return { fetch: (request) => routed(namespace, options, request) };
}

interface Routed extends Rpc.DurableObjectBranded {
  routePlace(options: RouteOptions): Promise<Place | undefined>;
}

async function routed(namespace: DurableObjectNamespace<Routed>, options: RouteOptions, request: Request): Promise<Response> {
  let refusal: Response | undefined;
  for (;;) {
    const place = await getContainer(namespace, ROUTER_NAME).routePlace(options);
    if (place === undefined) return refusal ?? full().toResponse();
    const isBare = request.body === null;
    let response: Response;
    try {
      response = await getContainer(namespace, instanceName(place.instance)).fetch(request);
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
    const code = response.headers.get(ContainerError.HEADER);
    // Waited for: what is not said before the request is answered may never be heard.
    if (code === null && place.fresh) await place.hold.answered();
    if (code === "LIMIT_REACHED" && isBare) {
      await place.hold.refused();
      place[Symbol.dispose]();
      refusal = response;
      continue;
    }
    // The runtime would take the place back when the request has been answered, however long the WebSocket then lives: so it passes here.
    const uses = { become: () => undefined, end: () => place[Symbol.dispose]() };
    return response.webSocket !== null ? bridge(response, uses) : trackBody(response, false, uses);
  }
}

function full(): ContainerError {
  return new ContainerError("NO_CAPACITY", "All instances that route() may use are full.");
}
