import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { PublishedScript, ReadAccountSecret } from "@longshore/contract";
import { createApp } from "./app.js";
import { type ImageDigests, imageDigests } from "./model/image-digests.js";
import type { ControlOptions } from "./options.js";
import { resume } from "./services/resume.js";
import { wireServices } from "./services/services.js";

/** The control plane. */
export interface Control extends AsyncDisposable {
  /** Serves the API under `/client/v4`. Never rejects: a failure is an envelope. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Takes over a connection that asks to be upgraded and is a tail's or a shell's; false when it is neither, and nothing has been done. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** Call once after start: brings every script up again and goes on with rollouts. `fetch` may be used before it resolves. */
  resume(signal: AbortSignal): Promise<void>;
  /** A secret of the account's, as Workers may read it. */
  readonly readSecret: ReadAccountSecret;
  /** The scripts that there are now. */
  scripts(): Promise<PublishedScript[]>;
  /** The images that applications need. */
  images(): Promise<ImageDigests>;
}

/** Disposing ends the rollouts' loops; what runs goes on running. */
export function createControl(options: ControlOptions): Control {
  const services = wireServices(options);
  const app = createApp(services);
  return {
    fetch: (request) => app.fetch(request),
    upgrade: (request, socket, head) => services.tails.upgrade(request, socket, head) || services.shells.upgrade(request, socket, head),
    resume: (signal) => resume(services, signal),
    readSecret: (storeId, name) => services.secretStores.read(storeId, name, "workers"),
    scripts: () => services.addresses.published(),
    images: async () => {
      const { store } = services;
      const running = await Promise.all((await store.liveHeads()).map((head) => store.activeVersion(head)));
      return imageDigests(await store.applications.all(), running);
    },
    [Symbol.asyncDispose]: () => {
      services.tails[Symbol.dispose]();
      return services.runner[Symbol.asyncDispose]();
    },
  };
}
