import { ContainerError } from "./container-error.js";
import type { Lifecycle } from "./lifecycle.js";

/** What a Worker with the compatibility flag `experimental` is given besides. */
interface WithDirectorySnapshots {
  snapshotDirectory?(options: DirectorySnapshotOptions): Promise<ContainerDirectorySnapshot>;
}

type ContainerHandle = NonNullable<DurableObjectState["container"]>;

export interface DirectorySnapshotOptions {
  /** Absolute path in the container. */
  dir: string;
  name?: string;
}

/** Saves a directory of the running container. Errors: `NOT_RUNNING`, `UNSUPPORTED`, and the runtime's for a directory that is not there. */
export async function snapshotDirectory(
  container: ContainerHandle & WithDirectorySnapshots,
  lifecycle: Lifecycle,
  options: DirectorySnapshotOptions,
): Promise<ContainerDirectorySnapshot> {
  requireRunning(lifecycle);
  if (container.snapshotDirectory !== undefined) return await container.snapshotDirectory(options);
  throw new ContainerError(
    "UNSUPPORTED",
    'The runtime gives snapshots of directories only to Workers with the compatibility flag "experimental"; snapshotContainer() needs none.',
  );
}

/** Saves the disk of the running container, without directories that were restored into it. Errors: `NOT_RUNNING`. */
export async function snapshotContainer(
  container: ContainerHandle,
  lifecycle: Lifecycle,
  options: ContainerSnapshotOptions,
): Promise<ContainerSnapshot> {
  requireRunning(lifecycle);
  return await container.snapshotContainer(options);
}

function requireRunning(lifecycle: Lifecycle): void {
  if (lifecycle.run !== undefined) return;
  throw new ContainerError("NOT_RUNNING", "There is nothing to take a snapshot of: the container does not run.");
}
