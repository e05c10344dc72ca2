import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isErrno, LongshoreError } from "@longshore/contract";

/** Listens; returns the port. Errors: `CONFLICT` when it is taken, `FORBIDDEN` when it needs a permission. `flag` is how to choose another. */
export async function listenOn(server: Server, host: string, port: number, what: string, flag: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (cause) {
    const hint = `Choose another with ${flag}, or end the process that has it ("ss -ltnp" names it).`;
    if (isErrno(cause, "EADDRINUSE"))
      throw new LongshoreError("CONFLICT", `The ${what} cannot listen on ${host}:${port}: the port is taken.`, { cause, hint });
    if (isErrno(cause, "EACCES")) throw new LongshoreError("FORBIDDEN", `The ${what} may not listen on ${host}:${port}.`, { cause, hint });
    throw cause;
  }
  return (server.address() as AddressInfo).port;
}
