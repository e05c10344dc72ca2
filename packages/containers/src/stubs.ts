/** The name that `getContainer` uses when it is given none. */
export const SINGLETON_NAME = "cf-singleton-container";
/** The header in which `switchPort` carries the port to the Container class. */
export const TARGET_PORT_HEADER = "cf-container-target-port";

/**
 * The stub of the container instance with this name.
 *
 * @example
 * return getContainer(env.MY_CONTAINER, "session-42").fetch(request);
 */
export function getContainer<T extends Rpc.DurableObjectBranded | undefined>(
  binding: DurableObjectNamespace<T>,
  name: string = SINGLETON_NAME,
): DurableObjectStub<T> {
  return binding.get(binding.idFromName(name));
}

/**
 * The stub of one of `instances` interchangeable container instances, picked at random.
 *
 * @example
 * return (await getRandom(env.POOL, 5)).fetch(request);
 */
export async function getRandom<T extends Rpc.DurableObjectBranded | undefined>(
  binding: DurableObjectNamespace<T>,
  instances = 3,
): Promise<DurableObjectStub<T>> {
  return getContainer(binding, `instance-${Math.floor(Math.random() * instances)}`);
}

/** @deprecated The former name of {@link getRandom}. */
export const loadBalance: typeof getRandom = getRandom;

/**
 * A copy of the request that a Container's `fetch` sends to this port in place of `defaultPort`; WebSocket upgrades too.
 *
 * @example
 * return getContainer(env.MY_CONTAINER).fetch(switchPort(request, 9090));
 */
export function switchPort(request: Request, port: number): Request {
  const headers = new Headers(request.headers);
  headers.set(TARGET_PORT_HEADER, String(port));
  return new Request(request, { headers });
}
