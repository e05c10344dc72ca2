import type { Socket } from "node:net";
import { LongshoreError } from "@longshore/contract";
import { peerProcess } from "../sys/peer.js";
import { identify, type ProcessIdentity, parentOf } from "../sys/process.js";

/** The process that takes over those whose parents have ended. */
const INIT = 1;

/** The name of a development session's tenant. No Worker's name has a tilde, so it is never taken for an application's. */
const TENANT = /^~(\d+)\.(\d+)$/;

/** Whose a development session is: the program that started workerd, which is wrangler. */
export function tenantOf({ pid, startTime }: ProcessIdentity): string {
  return `~${pid}.${startTime}`;
}

/** The process whose session a tenant is; `undefined` for the tenant of an application. */
export function keeperOf(tenant: string): ProcessIdentity | undefined {
  const [, pid, startTime] = TENANT.exec(tenant) ?? [];
  return pid === undefined || startTime === undefined ? undefined : { pid: Number(pid), startTime: Number(startTime) };
}

/**
 * The program that started the workerd at the other end of a connection. workerd itself comes and goes with every change of the code.
 * Errors: `UNAVAILABLE` when that program has ended, or its process cannot be seen from here.
 */
export function callersKeeper(socket: Socket): ProcessIdentity {
  const caller = peerProcess(socket);
  const parent = caller === undefined ? undefined : parentOf(caller);
  const keeper = parent === undefined || parent <= INIT ? undefined : identify(parent);
  if (keeper !== undefined) return keeper;
  throw new LongshoreError("UNAVAILABLE", "The program that started this workerd has ended, or runs where the engine cannot see it.", {
    hint: 'Start "wrangler dev" on the machine of the engine, outside of containers.',
  });
}
