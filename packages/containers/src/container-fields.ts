import { DurableObject } from "cloudflare:workers";
import type { ContainerOptions, ContainerStartOptions, SleepMode, StopParams } from "./types.js";

/** What a subclass of Container sets and overrides. */
export abstract class ContainerFields<Env = Cloudflare.Env> extends DurableObject<Env> {
  /** The port that `fetch` and `containerFetch` use when they are told no other. */
  defaultPort?: number;
  /** The ports that `startAndWaitForPorts` waits for when it is told no others. */
  requiredPorts?: number[];
  /** How long the container may be idle before it is stopped: seconds, or `"30s"`, `"5m"`, `"1h"`. */
  sleepAfter: string | number = "10m";
  /**
   * What becomes of an idle container: `"stop"` ends its process; `"freeze"` keeps the process with its memory, without a share of the CPU, until the
   * next request comes, which finds it as it was.
   */
  sleepMode: SleepMode = "stop";
  /** Variables that each start gets. */
  envVars: ContainerStartOptions["env"] = {};
  /** The command in place of the image's own. */
  entrypoint: ContainerStartOptions["entrypoint"];
  /** Whether the program may reach the internet, as far as no outbound handler and no list of hosts says otherwise. Takes effect at a start. */
  enableInternet: ContainerStartOptions["enableInternet"] = true;
  /** Whether outbound handlers and lists of hosts hold for HTTPS too. The program has to trust /etc/cloudflare/certs/cloudflare-containers-ca.crt. */
  interceptHttps = false;
  /** The only hosts that the program may reach: names, addresses, networks (`10.0.0.0/8`), globs (`*.example.com`). Also without `enableInternet`. */
  allowedHosts?: string[];
  /** Hosts that the program may not reach, whatever else is said. */
  deniedHosts?: string[];
  /** The container is killed this many milliseconds after each start, whatever it does. */
  hardTimeout?: number;
  labels: ContainerStartOptions["labels"] = {};
  /** Host and path of the request that finds out whether a port answers. Any answer will do. */
  pingEndpoint = "ping";

  /** Options in place of fields, for what is only known when the object is there, as `this.env`. */
  getOptions(): ContainerOptions {
    return {};
  }

  /** Called once after each start, when the container is ready and before it gets its first request. */
  onStart(): void | Promise<void> {
    return this.containerStarted();
  }

  /** Another name of `onStart`. */
  containerStarted(): void | Promise<void> {
    return undefined;
  }

  /** Called after the process has ended. */
  onStop(_params: StopParams): void | Promise<void> {
    return undefined;
  }

  /** Called when the container cannot be started or does not get ready. The caller gets the error whatever this does. */
  onError(error: unknown): unknown {
    console.error("Container error:", error);
    throw error;
  }
}

/** The container of an object. Throws if its class has none. */
export function containerOf(ctx: DurableObjectState, className: string): NonNullable<DurableObjectState["container"]> {
  if (ctx.container !== undefined) return ctx.container;
  throw new Error(
    `The Durable Object class ${className} has no container: name it as "class_name" under "containers" in the Wrangler configuration.`,
  );
}
