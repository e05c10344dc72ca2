import { connect, type Socket } from "node:net";

/** A service of this machine that containers reach under a name, by HTTPS: the engine ends the TLS and passes on what is inside. */
export interface LocalService {
  /** The name, lower case. Names below it are the service's, too. */
  readonly host: string;
  /** The unix socket that it listens on. Nothing else of the host can be reached by way of it. */
  readonly socket: string;
}

/** What the service's names resolve to: an address that is nobody's (RFC 2544), and that nothing is ever dialled at. */
export const SERVICE_ADDRESS = "198.18.0.2";
export const SERVICE_PORT = 443;

export function isServiceName({ host }: LocalService, name: string): boolean {
  return name === host || name.endsWith(`.${host}`);
}

/** True for a container that is told of the service: by the name, or by the first part of it, which is the account that it is made of. */
export function isToldOf({ host }: LocalService, environment: Readonly<Record<string, string>>): boolean {
  const [account = host] = host.split(".");
  return Object.values(environment).some((value) => value.includes(account));
}

/** A connection to the service. Rejects while it is away. */
export async function connectService({ socket }: LocalService): Promise<Socket> {
  const upstream = connect({ path: socket, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    upstream.once("connect", resolve);
    upstream.once("error", reject);
  });
  return upstream;
}
