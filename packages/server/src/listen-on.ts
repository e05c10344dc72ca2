import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { isErrno, LongshoreError } from "@longshore/contract";

/** Errors: `INVALID_INPUT` when this machine cannot listen on the address at all, naming those that it has. */
export async function requireAddress(host: string): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen(0, host, resolve);
    });
  } catch (cause) {
    const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
    throw new LongshoreError("INVALID_INPUT", `This machine cannot listen on the address ${host}.`, {
      cause,
      hint: `Name one of its own with --listen (${own.join(", ")}), or 0.0.0.0 for all.`,
    });
  } finally {
    probe.close();
  }
}

/** Listens; returns the port. Errors: `CONFLICT` when it is taken, `FORBIDDEN` when it needs a permission. `flag` is how to choose another. */
export async function listenOn(server: Server, host: string, port: number, what: string, flag: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (cause) {
    const hint = anotherPort(flag);
    if (isErrno(cause, "EADDRINUSE"))
      throw new LongshoreError("CONFLICT", `The ${what} cannot listen on ${host}:${port}: the port is taken.`, { cause, hint });
    if (isErrno(cause, "EACCES")) throw new LongshoreError("FORBIDDEN", `The ${what} may not listen on ${host}:${port}.`, { cause, hint });
    throw cause;
  }
  return (server.address() as AddressInfo).port;
}

/** Passes on what a listener becomes; when its port is taken, the error says which flag chooses another. */
export async function namingFlag<T>(flag: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening;
  } catch (error) {
    if (!(error instanceof LongshoreError)) throw error;
    throw new LongshoreError(error.code, error.message, { cause: error, hint: anotherPort(flag) });
  }
}

function anotherPort(flag: string): string {
  return `Choose another with ${flag}, or end the process that has it ("ss -ltnp" names it).`;
}
