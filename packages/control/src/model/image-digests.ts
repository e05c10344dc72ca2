import type { Application, Release } from "./application.js";
import { isActive } from "./rollout.js";
import type { StoredVersion } from "./script-head.js";

/** Digests of the images that applications need. */
export interface ImageDigests {
  /** What new instances start with, now or when a rollout that is under way goes on or back. */
  readonly deployed: ReadonlySet<string>;
  /** What earlier rollouts brought or left. */
  readonly remembered: ReadonlySet<string>;
}

/** What the applications need of the registry. */
export function imageDigests(applications: readonly Application[], running: readonly Pick<StoredVersion, "containers">[]): ImageDigests {
  const deployed = new Set<string>();
  const remembered = new Set<string>();
  for (const { containers } of running) {
    for (const { images = {} } of containers) for (const image of Object.values(images)) deployed.add(digestOf({ image }));
  }
  for (const { live, rollouts, ranWith = {} } of applications) {
    deployed.add(digestOf(live));
    for (const release of Object.values(ranWith)) remembered.add(digestOf(release));
    for (const rollout of rollouts) {
      for (const release of [rollout.current, rollout.target]) (isActive(rollout) ? deployed : remembered).add(digestOf(release));
    }
  }
  return { deployed, remembered };
}

/** Of `<account>/<name>@sha256:…`. */
function digestOf({ image }: Pick<Release, "image">): string {
  return image.slice(image.lastIndexOf("@") + 1);
}
