import type { ContainerClass, DurableObjectNamespace } from "@longshore/contract";
import type { Place } from "../options.js";
import { type Configuration, sizeOf } from "./configuration.js";
import { isActive, type Rollout, shareOf } from "./rollout.js";

/** One state of an application that its instances can be on. Immutable. */
export interface Release {
  /** Instances carry it: one with another version is not on this release. */
  readonly version: number;
  readonly configuration: Configuration;
  /** `<account>/<name>@sha256:…`: pinned, so that a moved tag changes nothing by itself. */
  readonly image: string;
}

/** A containers application. The one mutable object of it, rollouts included, so that each step is one write. */
export interface Application {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly script: string;
  readonly namespaceId: string;
  /** What its containers run, or are being moved to. Only a rollout changes it. */
  readonly live: Release;
  /** What the last modification asked for and no rollout has brought yet. */
  readonly pending?: Configuration;
  /** The highest release version given out. */
  readonly lastVersion: number;
  readonly maxInstances: number;
  readonly graceSeconds: number;
  /** Kept as the client sent them: scheduling_policy, constraints, affinities, observability. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Its images are those of the Worker's version, and rollouts have no part in it. */
  readonly isVersioned?: true;
  /** Newest first. */
  readonly rollouts: readonly Rollout[];
  /** What its containers ran with versions of the Worker that have been left, by their ids: to go back to one is to go back to this too. */
  readonly ranWith?: Readonly<Record<string, Pick<Release, "configuration" | "image">>>;
}

/** Of how many versions an application remembers what it ran with them. */
const VERSIONS_REMEMBERED = 100;

/** The application that remembers what it runs, for when the Worker comes back to this version. */
export function remembering(application: Application, versionId: string): Application {
  const { [versionId]: _old, ...others } = application.ranWith ?? {};
  const { configuration, image } = application.live;
  const kept = Object.entries(others).slice(-(VERSIONS_REMEMBERED - 1));
  return { ...application, ranWith: { ...Object.fromEntries(kept), [versionId]: { configuration, image } } };
}

/**
 * The application as the engine needs it. While a rollout is made, objects within its share start on the target, and all others on what was there before.
 */
export function containerClass(application: Application, namespace: DurableObjectNamespace, place: Place): ContainerClass {
  const rollout = application.rollouts.find(isActive);
  const base = rollout?.current ?? application.live;
  const below = rollout === undefined ? 0 : shareOf(rollout);
  return {
    namespaceId: namespace.id,
    className: namespace.className,
    applicationId: application.id,
    applicationName: application.name,
    maxInstances: application.maxInstances,
    ...started(rollout !== undefined && below >= 100 ? rollout.target : base),
    ...(rollout !== undefined && below > 0 && below < 100 ? { next: { ...started(rollout.target), below } } : {}),
    environment: {
      CLOUDFLARE_APPLICATION_ID: application.id,
      CLOUDFLARE_COUNTRY_A2: place.country,
      CLOUDFLARE_LOCATION: place.location,
      CLOUDFLARE_REGION: place.region,
    },
  };
}

function started({ image, configuration, version }: Release): Pick<ContainerClass, "image" | "size" | "version"> {
  return { image, size: sizeOf(configuration), version };
}

/** The application with a changed rollout of it; what it leads to is what the application runs. */
export function withRollout(application: Application, rollout: Rollout): Application {
  return {
    ...application,
    live: rollout[rollout.toward],
    rollouts: application.rollouts.map((each) => (each.id === rollout.id ? rollout : each)),
  };
}

/** True when an instance on `a` need not be replaced to be on `b`. */
export function runsTheSame(a: Release, b: Pick<Release, "configuration" | "image">): boolean {
  const [x, y] = [sizeOf(a.configuration), sizeOf(b.configuration)];
  return a.image === b.image && x.vcpu === y.vcpu && x.memoryMib === y.memoryMib && x.diskMb === y.diskMb;
}
