import type { Publish, WorkerUpstream } from "@longshore/contract";
import { type CertificatePair, Certificates, createEdge, type Edge, type EdgePlace } from "@longshore/edge";
import { openAcme } from "./acme.js";
import { edgeLimits, hasTls } from "./edge-settings.js";
import { listenOn } from "./listen-on.js";
import { log } from "./log.js";
import type { Settings } from "./settings.js";

/** Longest time that a request waits while its application is replaced, before it is told so. */
const HOLD_DEADLINE_MS = 30_000;

/** The edge with what it needs for TLS. */
export interface EdgeFront extends AsyncDisposable {
  readonly edge: Edge;
  readonly publish: Publish;
  setCertificates(certificates: readonly CertificatePair[]): void;
  /** Resolves to the ports taken. Errors: `CONFLICT`, `FORBIDDEN`. */
  listen(): Promise<{ edgePort: number; tlsPort?: number }>;
}

export interface EdgeFrontOptions {
  readonly settings: Settings;
  readonly upstream: WorkerUpstream;
  readonly certificates: readonly CertificatePair[];
  readonly acmeCa: string | undefined;
}

export async function openEdgeFront({ settings, upstream, certificates: own, acmeCa }: EdgeFrontOptions): Promise<EdgeFront> {
  const certificates = new Certificates();
  certificates.setOwn(own);
  // Without it there are no new certificates; all else is served.
  const acme = await openAcme(settings, certificates, acmeCa).catch((error: unknown) => {
    log.error("certificates that were issued here cannot be read, and none are asked for", { error: String(error) });
    return undefined;
  });
  let tlsPort: number | undefined;
  const edge = createEdge({
    domain: settings.domain,
    upstream,
    holdDeadlineMs: HOLD_DEADLINE_MS,
    limits: edgeLimits(settings),
    place: edgePlace(settings),
    certificates,
    redirectTo: () => (settings.http === "redirect" ? tlsPort : undefined),
    challengeAnswer: (token) => acme?.challengeAnswer(token),
    log: (message) => log.info(message),
  });
  return {
    edge,
    setCertificates: (changed) => certificates.setOwn(changed),
    publish: (scripts) => {
      edge.publish(scripts);
      acme?.follow(scripts);
    },
    async listen() {
      const edgePort = await listenOn(edge.server, settings.listen, settings.edgePort, "edge", "--edge-port");
      if (!hasTls(settings)) return { edgePort };
      tlsPort = await listenOn(edge.secureServer, settings.listen, settings.tlsPort, "edge", "--tls-port");
      acme?.start();
      return { edgePort, tlsPort };
    },
    async [Symbol.asyncDispose]() {
      acme?.[Symbol.dispose]();
      await edge[Symbol.asyncDispose]();
    },
  };
}

/** What the operator has said of this machine's place; what is only a default says nothing. */
function edgePlace({ country, location, region }: Settings): EdgePlace {
  return {
    ...(country === "XX" ? {} : { country }),
    ...(region === "local" ? {} : { region }),
    ...(location === "local" ? {} : { colo: location }),
  };
}
