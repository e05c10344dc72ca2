import { LongshoreError } from "@longshore/contract";

/** An image in some registry, in the parts that its API wants. */
export interface RemoteReference {
  /** As the operator's settings name it: `docker.io`, `ghcr.io`, `registry.example:5000`. */
  readonly host: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly version: string;
  readonly digest?: string;
}

const DOCKER_HUB = "docker.io";

/** True when a reference names a registry: its first part has a dot or a port, or is `localhost`. Others are in the installation's own. */
export function namesRegistry(reference: string): boolean {
  const [first = "", ...rest] = reference.split("/");
  return rest.length > 0 && (first === "localhost" || /[.:]/.test(first));
}

const HOST = /[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?/;
const COMPONENT = /[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*/;
const REFERENCE = new RegExp(
  `^(${HOST.source})/(${COMPONENT.source}(?:/${COMPONENT.source})*)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`,
);

/** Errors: `INVALID_INPUT`. */
export function parseRemote(reference: string): RemoteReference {
  const match = REFERENCE.exec(reference);
  const [, host, repository, tag, digest] = match ?? [];
  if (host === undefined || repository === undefined || !namesRegistry(reference)) {
    throw new LongshoreError("INVALID_INPUT", `"${reference}" is not the name of an image in a registry.`, {
      hint: "Write it as <registry>/<repository>:<tag> or <registry>/<repository>@sha256:<digest>.",
    });
  }
  const isHub = host === DOCKER_HUB || host === "index.docker.io" || host === "registry-1.docker.io";
  return {
    host: isHub ? DOCKER_HUB : host,
    // What Docker Hub calls an official image has no owner in its name, but one in the API.
    repository: isHub && !repository.includes("/") ? `library/${repository}` : repository,
    version: digest ?? tag ?? "latest",
    ...(digest === undefined ? {} : { digest }),
  };
}

/** Where a registry's API is: Docker Hub's is not where its name says. */
export function apiHost(host: string): string {
  return host === DOCKER_HUB ? "registry-1.docker.io" : host;
}
